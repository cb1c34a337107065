//! The signature of notifications: who sent these bytes, and when. Stripe's scheme, which the
//! simulator uses as well.
//!
//! The header is `t=<Unix seconds>,v1=<hex>,…`: HMAC-SHA-256 over the time as it
//! stands there, a full stop and the raw body, under the secret of the endpoint. There is a `v1`
//! for each secret that is valid while one replaces another; other schemes are not looked at.
//!
//! Pure: time and secrets are handed in. Invariants: signatures are compared in constant time;
//! a body that was not verified is not parsed anywhere.

use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use schemas::Timestamp;
use sha2::Sha256;
use thiserror::Error;

use super::secret::Secret;

/// The header in which Stripe sends it.
pub const STRIPE_SIGNATURE: &str = "stripe-signature";
/// The header in which the simulator sends it.
pub const SIMULATOR_SIGNATURE: &str = "simulator-signature";
/// How old or how far ahead a signature may be, unless configured: what Stripe's own libraries use.
pub const TOLERANCE: Duration = Duration::from_mins(5);
/// Signatures of one header that are looked at: Stripe sends two while a secret is replaced.
const MAX_SIGNATURES: usize = 8;
/// Bytes of HMAC-SHA-256.
const SIGNATURE_BYTES: usize = 32;

/// Why a notification is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureInvalid {
    /// The header is not of the documented form.
    #[error("the header of the signature has no time, or no signature of scheme v1")]
    Malformed,
    /// No signature fits the body under any secret.
    #[error("no signature fits the body under any of the endpoint's secrets")]
    Forged,
    /// The time is too far from now: it may be a replay of an old one.
    #[error("the signature is not of this time: compare this machine's clock")]
    NotOfThisTime,
}

/// Says whether `header` signs `body` under one of `secrets`, at most `tolerance` from `now`.
///
/// # Errors
/// Why it does not.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureInvalid> {
    let (time, signatures) = parse(header).ok_or(SignatureInvalid::Malformed)?;
    let is_signed = secrets.iter().any(|secret| {
        let signed = signed(time, body, secret);
        // Compares in constant time.
        signatures.iter().any(|signature| signed.clone().verify_slice(signature).is_ok())
    });
    if !is_signed {
        return Err(SignatureInvalid::Forged);
    }
    // Only now is the time somebody's word.
    let seconds: i64 = time.parse().map_err(|_| SignatureInvalid::Malformed)?;
    let millis = seconds.checked_mul(1000).ok_or(SignatureInvalid::Malformed)?;
    let apart = Duration::from_millis(now.millis().abs_diff(millis));
    if apart > tolerance { Err(SignatureInvalid::NotOfThisTime) } else { Ok(()) }
}

/// The header that signs `body` at `now`.
pub fn sign(body: &[u8], secret: &Secret, now: Timestamp) -> String {
    let time = now.millis().div_euclid(1000).to_string();
    let mut header = format!("t={time},v1=");
    for byte in signed(&time, body, secret).finalize().into_bytes() {
        // Writing to a String cannot fail.
        let _ = write!(header, "{byte:02x}");
    }
    header
}

fn signed(time: &str, body: &[u8], secret: &Secret) -> Hmac<Sha256> {
    let mut signed = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    signed.update(time.as_bytes());
    signed.update(b".");
    signed.update(body);
    signed
}

/// The time as it stands there, and the signatures of scheme v1.
fn parse(header: &str) -> Option<(&str, Vec<[u8; SIGNATURE_BYTES]>)> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let mut times = parts().filter(|(scheme, _)| *scheme == "t").map(|(_, time)| time);
    let (Some(time), None) = (times.next(), times.next()) else { return None };
    let signatures: Vec<_> = parts()
        .filter(|(scheme, _)| *scheme == "v1")
        .filter_map(|(_, hex)| bytes_of(hex))
        .take(MAX_SIGNATURES)
        .collect();
    (!signatures.is_empty()).then_some((time, signatures))
}

fn bytes_of(hex: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let hex = <[u8; SIGNATURE_BYTES * 2]>::try_from(hex.as_bytes()).ok()?;
    let mut bytes = [0; SIGNATURE_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::SignatureInvalid::{Forged, Malformed, NotOfThisTime};
    use super::*;

    const BODY: &[u8] = br#"{"id": "evt_1"}"#;
    const NOW: i64 = 1_492_774_577;

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    fn sign(key: &str, time: &str, body: &[u8]) -> String {
        let signature = signed(time, body, &secret(key)).finalize().into_bytes();
        signature.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    }

    fn check(header: &str, body: &[u8]) -> Result<(), SignatureInvalid> {
        let secrets = [secret("whsec_new"), secret("whsec_old")];
        let now = Timestamp::from_millis(NOW * 1000);
        verify(header, body, &secrets, now, TOLERANCE)
    }

    #[test]
    fn a_signature_is_believed_or_refused_for_a_reason() {
        let t = NOW.to_string();
        let (new, old) = (sign("whsec_new", &t, BODY), sign("whsec_old", &t, BODY));
        let other = sign("whsec_other", &t, BODY);
        let far = |seconds: i64| {
            let t = (NOW + seconds).to_string();
            format!("t={t},v1={}", sign("whsec_new", &t, BODY))
        };
        let rows = [
            ("one", format!("t={t},v1={new}"), Ok(())),
            ("the old secret, while it is replaced", format!("t={t},v1={old}"), Ok(())),
            ("both", format!("t={t},v1={new},v1={old}"), Ok(())),
            ("one of ours after others", format!("t={t},v1={other},v0=x,v1={old}"), Ok(())),
            ("any order, spaces, upper case", format!("v1={}, t={t}", new.to_uppercase()), Ok(())),
            ("almost too old", far(-300), Ok(())),
            ("almost too early", far(300), Ok(())),
            ("too old", far(-301), Err(NotOfThisTime)),
            ("too early", far(301), Err(NotOfThisTime)),
            ("of another endpoint", format!("t={t},v1={other}"), Err(Forged)),
            ("another time than was signed", format!("t={},v1={new}", NOW + 1), Err(Forged)),
            ("signed under an old scheme", format!("t={t},v0={new}"), Err(Malformed)),
            ("nothing signed", format!("t={t}"), Err(Malformed)),
            ("no time", format!("v1={new}"), Err(Malformed)),
            ("two times", format!("t={t},t={t},v1={new}"), Err(Malformed)),
            ("cut short", format!("t={t},v1={}", &new[..63]), Err(Malformed)),
            ("not hexadecimal", format!("t={t},v1={}", "x".repeat(64)), Err(Malformed)),
            (
                "a time that is none",
                format!("t=now,v1={}", sign("whsec_new", "now", BODY)),
                Err(Malformed),
            ),
            ("nothing", String::new(), Err(Malformed)),
        ];
        for (what, header, expected) in rows {
            assert_eq!(check(&header, BODY), expected, "{what}: {header}");
        }
    }

    #[test]
    fn every_bit_of_the_body_is_signed_and_no_secret_believes_nothing() {
        let t = NOW.to_string();
        let header = format!("t={t},v1={}", sign("whsec_new", &t, BODY));
        for at in 0..BODY.len() {
            let mut altered = BODY.to_vec();
            altered[at] ^= 1;
            assert_eq!(check(&header, &altered), Err(Forged), "{at}");
        }
        assert_eq!(check(&header, b""), Err(Forged));
        let now = Timestamp::from_millis(NOW * 1000);
        assert_eq!(verify(&header, BODY, &[], now, TOLERANCE), Err(Forged));
    }

    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        // printf '1492774577.{"id": "evt_1"}' | openssl dgst -sha256 -hmac whsec_new
        let now = Timestamp::from_millis(NOW * 1000 + 999);
        let header = super::sign(BODY, &secret("whsec_new"), now);
        let expected = "801a5263284dce7693f4fb727f3fbbade8a5cfca552b4f2c6b9ef382da43ecb7";
        assert_eq!(header, format!("t=1492774577,v1={expected}"));
        assert_eq!(check(&header, BODY), Ok(()));
    }
}
