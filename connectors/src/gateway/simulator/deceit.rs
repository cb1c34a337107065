//! Deceits: what a gateway does that breaks its own promises. No amount asks for them; the admin
//! API gives them to a percentage of the keys that do not misbehave otherwise.
//!
//! Unlike magic amounts they do not heal: a person has to look at what comes of them, and that is
//! what they are for.

use serde::{Deserialize, Serialize};

/// A promise that is broken, at the first try of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deceit {
    /// Less is charged than was asked for: half, and at least 1.
    ChargedLess,
    /// More is charged than was asked for: double.
    ChargedMore,
    /// The amount is charged in another currency.
    ChargedOtherCurrency,
    /// 429 with `processed: false`, and charged.
    RefusedButCharged,
    /// Never answered, "not found" when asked, and charged after the long pause all the same, if
    /// nothing was charged under the key by then.
    ChargedLate,
}

impl Deceit {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ChargedLess,
        Self::ChargedMore,
        Self::ChargedOtherCurrency,
        Self::RefusedButCharged,
        Self::ChargedLate,
    ];

    /// Its name in the admin API.
    pub fn name(self) -> String {
        let quoted = serde_json::to_string(&self).expect("a variant without fields is a string");
        quoted.trim_matches('"').to_owned()
    }

    /// What is charged where so much of this was asked for.
    pub fn charged(self, amount: i64, currency: &str) -> (i64, &str) {
        match self {
            Self::ChargedLess => ((amount / 2).max(1), currency),
            Self::ChargedMore => (amount.saturating_mul(2), currency),
            Self::ChargedOtherCurrency if currency == "EUR" => (amount, "USD"),
            Self::ChargedOtherCurrency => (amount, "EUR"),
            Self::RefusedButCharged | Self::ChargedLate => (amount, currency),
        }
    }
}
