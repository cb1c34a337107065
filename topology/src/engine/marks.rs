//! How a column of a store says up to which entry it was written: by a row of its own, its mark.
//!
//! Every write puts the mark of its newest entry into every column and takes out the one before. So
//! a column that lost its newest writes has an older mark than the others, and a column that lost
//! some from the middle has two: what would have taken out the older one is among what it lost. It
//! does not matter how it came to that. A mark follows from the entries alone, so equal stores have
//! equal marks.

use super::store::Head;

/// What the key of a mark begins with, and no key of an application: it is no text, and longer than
/// what a digest begins with by chance.
pub const MARK_PREFIX: &[u8; 16] = b"\xff\xff\xff\xffcolumn mark\xff";
const KEY_LENGTH: usize = MARK_PREFIX.len() + 8;

/// The sequence of the newest entry that was written; 0 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// The mark of a store with this head.
    pub fn of(head: Option<&Head>) -> Self {
        Self(head.map_or(0, |head| head.seq))
    }

    /// The key of its row.
    pub fn key(self) -> [u8; KEY_LENGTH] {
        let mut key = [0; KEY_LENGTH];
        key[..MARK_PREFIX.len()].copy_from_slice(MARK_PREFIX);
        key[MARK_PREFIX.len()..].copy_from_slice(&self.0.to_be_bytes());
        key
    }

    /// The mark with this key; `None` for the key of any other row.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let seq = key.strip_prefix(MARK_PREFIX)?;
        Some(Self(u64::from_be_bytes(seq.try_into().ok()?)))
    }
}

/// The one mark that all columns have; `None` when none has any, as in a new store.
///
/// # Errors
/// Which column differs, and how.
pub fn agreed(columns: &[(&str, Vec<Mark>)]) -> Result<Option<Mark>, String> {
    let mut all: Option<(&str, Option<Mark>)> = None;
    for (column, marks) in columns {
        let mark = match marks.as_slice() {
            [] => None,
            [mark] => Some(*mark),
            [older, .., newer] => {
                return Err(format!(
                    "column {column} lacks something between entries {} and {}",
                    older.0, newer.0
                ));
            }
        };
        match all {
            None => all = Some((column, mark)),
            Some((first, wanted)) if wanted != mark => {
                let end = |mark: Option<Mark>| {
                    mark.map_or_else(|| "no entry".to_owned(), |mark| format!("entry {}", mark.0))
                };
                return Err(format!(
                    "column {first} was written up to {}, column {column} up to {}",
                    end(wanted),
                    end(mark)
                ));
            }
            Some(_) => {}
        }
    }
    Ok(all.and_then(|(_, mark)| mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_its_key_and_nothing_else_is_one() {
        for seq in [0, 1, 0x0102_0304_0506_0708, u64::MAX] {
            assert_eq!(Mark::parse(&Mark(seq).key()), Some(Mark(seq)));
        }
        let key = Mark(7).key();
        for other in [&key[1..], &key[..key.len() - 1], b"", b"head", &[0xff; KEY_LENGTH]] {
            assert_eq!(Mark::parse(other), None);
        }
    }

    #[test]
    fn columns_agree_or_the_reason_names_the_one_that_does_not() {
        let one = |seq| vec![Mark(seq)];
        for (columns, wanted) in [
            (vec![], Ok(None)),
            (vec![("a", vec![]), ("b", vec![])], Ok(None)),
            (vec![("a", one(3)), ("b", one(3))], Ok(Some(Mark(3)))),
            (
                vec![("a", one(3)), ("b", one(2))],
                Err("column a was written up to entry 3, column b up to entry 2"),
            ),
            (
                vec![("a", vec![]), ("b", one(0))],
                Err("column a was written up to no entry, column b up to entry 0"),
            ),
            (
                vec![("a", one(9)), ("b", vec![Mark(4), Mark(9)])],
                Err("column b lacks something between entries 4 and 9"),
            ),
        ] {
            assert_eq!(agreed(&columns), wanted.map_err(str::to_owned), "{columns:?}");
        }
    }
}
