//! Money: a whole number of minor units of one ISO 4217 currency.
//!
//! An [`Amount`] is what a caller may ask for: positive and small enough for every JSON reader.
//! [`Money`] adds the currency and never mixes two. Nothing here is a float, nothing wraps.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::form;

/// The largest amount of one command, in minor units: the largest integer that every JSON reader
/// represents exactly (2^53 − 1).
pub const MAX_AMOUNT_MINOR: i64 = (1 << 53) - 1;

/// An ISO 4217 currency that money can be held in: one that has a minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three-letter code, upper case.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal digits the minor unit has: 2 for USD, 0 for JPY.
    pub fn minor_digits(self) -> u16 {
        self.0.exponent().expect("a currency without a minor unit is never constructed")
    }
}

const LETTERS: usize = 26;

/// Every code of three letters and its currency: the library compares them one by one, and an entry
/// names its currency ten times.
static BY_CODE: LazyLock<Vec<Option<iso_currency::Currency>>> = LazyLock::new(|| {
    let letters = || b'A'..=b'Z';
    let codes =
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    let known = |code: [u8; 3]| {
        let code = str::from_utf8(&code).ok()?;
        iso_currency::Currency::from_code(code).filter(|currency| currency.exponent().is_some())
    };
    codes.map(known).collect()
});

/// Where a code stands among all of three letters, upper case.
fn place_of(code: [u8; 3]) -> Option<usize> {
    code.iter().try_fold(0, |place, letter| {
        let letter = usize::from(letter.checked_sub(b'A')?);
        (letter < LETTERS).then_some(place * LETTERS + letter)
    })
}

/// A code that is not that of an ISO 4217 currency with a minor unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an ISO 4217 currency code such as USD")]
pub struct CurrencyUnknown(String);

impl FromStr for Currency {
    type Err = CurrencyUnknown;

    /// Upper case only: the code is hashed into wallet ids, so it has one spelling.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let place = <[u8; 3]>::try_from(code.as_bytes()).ok().and_then(place_of);
        let known = place.and_then(|place| BY_CODE[place]);
        known.map(Self).ok_or_else(|| CurrencyUnknown(code.chars().take(16).collect()))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.code())
        } else {
            serializer.serialize_u16(self.0.numeric())
        }
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return form::from_text(deserializer);
        }
        let number = u16::deserialize(deserializer)?;
        iso_currency::Currency::from_numeric(number)
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("{number} is no currency")))
    }
}

/// A positive number of minor units, at most [`MAX_AMOUNT_MINOR`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

impl Amount {
    /// The number of minor units.
    pub fn minor(self) -> i64 {
        self.0
    }
}

/// An amount that no command may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountInvalid {
    /// Zero or less.
    #[error("an amount is a positive number of minor units")]
    NotPositive,
    /// More than [`MAX_AMOUNT_MINOR`].
    #[error("an amount is at most {MAX_AMOUNT_MINOR} minor units")]
    TooLarge,
}

impl TryFrom<i64> for Amount {
    type Error = AmountInvalid;

    fn try_from(minor: i64) -> Result<Self, Self::Error> {
        match minor {
            ..=0 => Err(AmountInvalid::NotPositive),
            1..=MAX_AMOUNT_MINOR => Ok(Self(minor)),
            _ => Err(AmountInvalid::TooLarge),
        }
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An amount of one currency. There is no addition: what adds up lives in the accounts of one
/// currency each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    amount: Amount,
    currency: Currency,
}

impl Money {
    /// So much of this currency.
    pub fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// How much.
    pub fn amount(self) -> Amount {
        self.amount
    }

    /// Of what.
    pub fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_positive_and_exact_in_json() {
        assert_eq!(Amount::try_from(0), Err(AmountInvalid::NotPositive));
        assert_eq!(Amount::try_from(i64::MIN), Err(AmountInvalid::NotPositive));
        assert_eq!(Amount::try_from(1 << 53), Err(AmountInvalid::TooLarge));
        assert_eq!(Amount::try_from(MAX_AMOUNT_MINOR).map(Amount::minor), Ok(MAX_AMOUNT_MINOR));
    }

    #[test]
    fn a_currency_has_one_spelling_and_a_minor_unit() {
        assert_eq!("USD".parse::<Currency>().expect("valid").minor_digits(), 2);
        assert_eq!("JPY".parse::<Currency>().expect("valid").minor_digits(), 0);
        for bad in ["usd", "US", "XXX", "ABC", "", "USDT"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }
}
