//! The gateway's audit of itself: counts what is in its file, not what it remembers.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde::Serialize;

use super::charge_book::{ChargeBook, KeyDigest, digest};
use super::ground_truth::ChargeStatus;

/// The most keys and payments that are named; all are counted.
const NAMED: usize = 100;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Charges that were decided.
    pub charges: u64,
    /// Those that took money.
    pub succeeded: u64,
    /// Those that were declined.
    pub declined: u64,
    /// What was taken, by currency, in minor units.
    pub amounts: BTreeMap<String, i128>,
    /// Keys with at least one charge.
    pub keys: u64,
    /// Keys with more than one: none, or the gateway broke its promise.
    pub keys_charged_twice: u64,
    /// Payments that took money under more than one key: none, or a caller made it charge twice.
    pub payments_charged_twice: u64,
    /// Some of these keys and payments.
    pub named: Vec<String>,
}

/// Audits every charge of the book; blocks the thread while it reads.
pub fn audit(book: &ChargeBook) -> io::Result<Audit> {
    let mut audit = Audit::default();
    let mut keys: HashMap<KeyDigest, u32> = HashMap::new();
    let mut payments: HashMap<KeyDigest, u32> = HashMap::new();
    for charge in book.read_all() {
        let charge = charge?;
        audit.charges += 1;
        let of_key = keys.entry(digest(&charge.idempotency_key)).or_default();
        *of_key += 1;
        if *of_key == 2 {
            audit.keys_charged_twice += 1;
            audit.name("key", &charge.idempotency_key);
        }
        match charge.status {
            ChargeStatus::Succeeded => {
                audit.succeeded += 1;
                let of_payment = payments.entry(digest(&charge.reference)).or_default();
                *of_payment += 1;
                if *of_payment == 2 {
                    audit.payments_charged_twice += 1;
                    audit.name("payment", &charge.reference);
                }
                *audit.amounts.entry(charge.currency).or_default() += i128::from(charge.amount);
            }
            ChargeStatus::Declined => audit.declined += 1,
        }
    }
    audit.keys = keys.len() as u64;
    Ok(audit)
}

impl Audit {
    fn name(&mut self, what: &str, id: &str) {
        if self.named.len() < NAMED {
            self.named.push(format!("{what} {id}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use std::fmt::Write as _;

    use super::super::ground_truth::FILE_NAME;
    use super::*;

    #[test]
    fn it_finds_what_was_charged_twice() {
        let directory = tempfile::tempdir().unwrap();
        let rows = [
            ("a", "p1", "succeeded"),
            ("b", "p2", "succeeded"),
            ("b", "p2", "declined"),
            ("c", "p1", "succeeded"),
            ("d", "p4", "declined"),
        ];
        let mut file = String::new();
        for (key, payment, status) in rows {
            writeln!(
                file,
                r#"{{"id":"ch","idempotency_key":"{key}","reference":"{payment}","attempt_id":"a",
                "amount":5,"currency":"USD","status":"{status}","created":1}}"#
            )
            .unwrap();
        }
        let file = file.replace(",\n", ",");
        std::fs::write(directory.path().join(FILE_NAME), file).unwrap();
        let (book, _closed) = ChargeBook::open(directory.path()).unwrap();
        let expected = Audit {
            charges: 5,
            succeeded: 3,
            declined: 2,
            amounts: BTreeMap::from([("USD".to_owned(), 15)]),
            keys: 4,
            keys_charged_twice: 1,
            payments_charged_twice: 1,
            named: vec!["key b".to_owned(), "payment p1".to_owned()],
        };
        assert_eq!(audit(&book).unwrap(), expected);
    }
}
