//! Opaque cursors: where the next part of a list begins, and of which list.
//!
//! A cursor is base64url of the page key and a checksum over the list (its kind and filters) and
//! the key, so one of another list is recognised. It is no secret and proves nothing.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemas::{ErrorCode, murmur2};

use super::problem::Problem;

const CHECKSUM_BYTES: usize = 4;

/// The cursor of a page key of `N` bytes in a list.
pub(super) fn encode<const N: usize>(list: &str, key: [u8; N]) -> String {
    let mut bytes = key.to_vec();
    bytes.extend_from_slice(&checksum(list, &key));
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The refusal of a text that is no cursor of the list.
pub(super) fn invalid() -> Problem {
    Problem::of(ErrorCode::CursorInvalid).param("cursor")
}

/// The page key in a cursor.
pub(super) fn decode<const N: usize>(list: &str, cursor: &str) -> Result<[u8; N], Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let (key, sum) = bytes.split_first_chunk::<N>().ok_or_else(invalid)?;
    if sum == checksum(list, key) { Ok(*key) } else { Err(invalid()) }
}

fn checksum(list: &str, key: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut bytes = list.as_bytes().to_vec();
    bytes.extend_from_slice(key);
    murmur2(&bytes).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = encode("statement of a", 42_i64.to_be_bytes());
        assert_eq!(decode("statement of a", &cursor).ok(), Some(42_i64.to_be_bytes()));
        assert!(decode::<8>("statement of b", &cursor).is_err());
        assert!(decode::<24>("statement of a", &cursor).is_err());
        for garbled in ["", "x", "====", "AAAA", &cursor[1..], &format!("{cursor}A")] {
            assert!(decode::<8>("statement of a", garbled).is_err(), "{garbled}");
        }
    }
}
