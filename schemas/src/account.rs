//! Accounts and postings: double entry, in two layers.
//!
//! A posting adds to one of an account's four numbers: debits and credits, each pending and posted.
//! The postings of every entry sum to zero per currency and layer, so money is conserved at every
//! prefix of every partition. Releasing a pending amount is a negative posting.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::form;
use crate::{Currency, GatewayName, RailName, WalletId, id_buffer};

/// Anything that postings name. System accounts exist once per shard and currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// A holder's money.
    Wallet(WalletId),
    /// What a gateway owes or is owed.
    GatewayClearing(GatewayName),
    /// Where deposits come from.
    External(RailName),
    /// Money whose owner or whose fate a person must decide.
    Suspense,
    /// Money on its way from wallet to wallet. The sum over all shards is what is on its way.
    TransfersClearing,
}

impl Account {
    /// The name of the account in the journal.
    pub fn text(&self) -> ArrayString<MAX_TEXT_BYTES> {
        let mut text = ArrayString::new();
        match self {
            Self::Wallet(id) => {
                text.push_str("wallet:");
                text.push_str(id.encode(&mut id_buffer()));
            }
            Self::GatewayClearing(gateway) => {
                text.push_str("gateway:");
                text.push_str(gateway.as_str());
                text.push_str(":clearing");
            }
            Self::External(rail) => {
                text.push_str("external:");
                text.push_str(rail.as_str());
            }
            Self::Suspense => text.push_str(SUSPENSE),
            Self::TransfersClearing => text.push_str(TRANSFERS_CLEARING),
        }
        text
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text())
    }
}

const SUSPENSE: &str = "suspense";
const TRANSFERS_CLEARING: &str = "transfers:clearing";

/// What every name of an account fits in: that of a gateway may have 49 bytes.
const MAX_TEXT_BYTES: usize = 64;

/// A text that names no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no account")]
pub struct AccountInvalid(String);

impl FromStr for Account {
    type Err = AccountInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            if text == SUSPENSE {
                return Some(Self::Suspense);
            }
            let (kind, rest) = text.split_once(':')?;
            match kind {
                "wallet" => rest.parse().ok().map(Self::Wallet),
                "external" => rest.parse().ok().map(Self::External),
                "gateway" => {
                    let name = rest.strip_suffix(":clearing")?;
                    name.parse().ok().map(Self::GatewayClearing)
                }
                "transfers" => (text == TRANSFERS_CLEARING).then_some(Self::TransfersClearing),
                _ => None,
            }
        };
        parse().ok_or_else(|| AccountInvalid(text.chars().take(128).collect()))
    }
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        form::from_text(deserializer)
    }
}

/// Which side of an account a posting adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Out of the account.
    Debit,
    /// Into the account.
    Credit,
}

/// Whether money is reserved or moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Held: may yet be posted or voided.
    Pending,
    /// Moved for good.
    Posted,
}

/// One signed movement on one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Whose number changes.
    pub account: Account,
    /// ISO 4217.
    pub currency: Currency,
    /// Pending or posted.
    pub layer: Layer,
    /// Debit or credit.
    pub side: Side,
    /// Minor units; negative releases.
    pub amount: i64,
}

/// The four numbers of an account, in minor units of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balances {
    /// Held, to go out.
    pub debits_pending: i64,
    /// Gone out.
    pub debits_posted: i64,
    /// Announced, to come in.
    pub credits_pending: i64,
    /// Come in.
    pub credits_posted: i64,
}

impl Balances {
    /// What is there: credits less debits, posted.
    pub fn posted(self) -> i64 {
        self.credits_posted - self.debits_posted
    }

    /// What may be spent: posted, less what is held.
    pub fn available(self) -> i64 {
        self.posted() - self.debits_pending
    }

    /// The numbers after a posting; none if one would overflow or fall below zero.
    #[must_use]
    pub fn after(mut self, layer: Layer, side: Side, amount: i64) -> Option<Self> {
        let number = match (side, layer) {
            (Side::Debit, Layer::Pending) => &mut self.debits_pending,
            (Side::Debit, Layer::Posted) => &mut self.debits_posted,
            (Side::Credit, Layer::Pending) => &mut self.credits_pending,
            (Side::Credit, Layer::Posted) => &mut self.credits_posted,
        };
        *number = number.checked_add(amount).filter(|sum| *sum >= 0)?;
        Some(self)
    }
}

/// The numbers of one account after an entry: an assertion about its postings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountBalance {
    /// Whose.
    pub account: Account,
    /// ISO 4217.
    pub currency: Currency,
    /// How many entries have changed this account, this one included.
    pub version: i64,
    /// Held, to go out.
    pub debits_pending: i64,
    /// Gone out.
    pub debits_posted: i64,
    /// Announced, to come in.
    pub credits_pending: i64,
    /// Come in.
    pub credits_posted: i64,
}

impl AccountBalance {
    /// The four numbers.
    pub fn balances(&self) -> Balances {
        Balances {
            debits_pending: self.debits_pending,
            debits_posted: self.debits_posted,
            credits_pending: self.credits_pending,
            credits_posted: self.credits_posted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_its_text() {
        for text in [
            "wallet:6f0c1d1e-6a57-5f0e-9d2c-3f1f6a1b2c3d",
            "gateway:simulator:clearing",
            "external:sepa",
            "suspense",
            "transfers:clearing",
        ] {
            assert_eq!(text.parse::<Account>().expect("valid").to_string(), text);
        }
        for text in ["wallet:", "gateway:x", "gateway::clearing", "suspense:x", "transfers:x", ""] {
            assert!(text.parse::<Account>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_number_overflows_or_falls_below_zero() {
        let empty = Balances::default();
        assert_eq!(empty.after(Layer::Pending, Side::Debit, -1), None);
        let full = empty.after(Layer::Posted, Side::Credit, i64::MAX).expect("fits");
        assert_eq!(full.after(Layer::Posted, Side::Credit, 1), None);
        let held = full.after(Layer::Pending, Side::Debit, 10).expect("fits");
        assert_eq!(held.available(), i64::MAX - 10);
    }
}
