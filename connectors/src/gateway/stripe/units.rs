//! Amounts as Stripe writes them. Its smallest unit is the minor unit of ISO 4217 but for some
//! currencies, and for some of these the last digits must be zero (docs.stripe.com/currencies).
//!
//! Invariants: an amount that Stripe cannot represent exactly has no conversion: it is refused
//! before anything is sent, never rounded. What was converted converts back to itself.

/// How Stripe's unit of a currency differs from the minor unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Not at all.
    Minor,
    /// A hundredth of the minor unit, which is what it was before the currency lost its decimals.
    HundredthOfMinor,
    /// A hundred minor units: Stripe knows no decimals of the currency.
    HundredMinor,
    /// The minor unit, but the last of three decimals must be zero.
    MinorInTens,
}

fn unit(currency: &str) -> Unit {
    match currency {
        "ISK" | "UGX" => Unit::HundredthOfMinor,
        "MGA" => Unit::HundredMinor,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Unit::MinorInTens,
        _ => Unit::Minor,
    }
}

/// Minor units to Stripe's.
///
/// # Errors
/// Why Stripe has no such amount.
pub(super) fn to_stripe(minor: i64, currency: &str) -> Result<i64, String> {
    let refused = |why: &str| format!("{minor} minor units of {currency} are no amount: {why}");
    match unit(currency) {
        Unit::Minor => Ok(minor),
        Unit::HundredthOfMinor => minor.checked_mul(100).ok_or_else(|| refused("too large")),
        Unit::HundredMinor if minor % 100 == 0 => Ok(minor / 100),
        Unit::HundredMinor => Err(refused("Stripe knows no decimals of this currency")),
        Unit::MinorInTens if minor % 10 == 0 => Ok(minor),
        Unit::MinorInTens => Err(refused("Stripe wants the last digit to be 0")),
    }
}

/// Stripe's units to minor ones; none if there is no such number of minor units. The currency is in
/// upper case.
pub(super) fn from_stripe(amount: i64, currency: &str) -> Option<i64> {
    match unit(currency) {
        Unit::Minor | Unit::MinorInTens => Some(amount),
        Unit::HundredthOfMinor => (amount % 100 == 0).then_some(amount / 100),
        Unit::HundredMinor => amount.checked_mul(100),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::*;

    /// Currency, minor units, what Stripe calls them.
    const ROWS: [(&str, i64, Option<i64>); 13] = [
        ("USD", 1_099, Some(1_099)),
        ("JPY", 500, Some(500)),
        ("HUF", 1_045, Some(1_045)),
        ("ISK", 5, Some(500)),
        ("UGX", 5_000, Some(500_000)),
        ("ISK", i64::MAX, None),
        ("MGA", 500, Some(5)),
        ("MGA", 501, None),
        ("KWD", 5_120, Some(5_120)),
        ("KWD", 5_124, None),
        ("TND", 10, Some(10)),
        ("BHD", 1, None),
        ("XAF", 7, Some(7)),
    ];

    #[test]
    fn amounts_convert_exactly_or_not_at_all() {
        for (currency, minor, expected) in ROWS {
            let converted = to_stripe(minor, currency);
            assert_eq!(converted.as_ref().ok().copied(), expected, "{currency} {minor}");
            if let Ok(amount) = converted {
                assert_eq!(from_stripe(amount, currency), Some(minor), "{currency} {minor}");
            }
        }
        assert_eq!(from_stripe(550, "ISK"), None);
        assert_eq!(from_stripe(i64::MAX, "MGA"), None);
    }

    #[test]
    fn the_minor_units_are_those_that_the_table_assumes() {
        let digits = |code: &str| code.parse::<schemas::Currency>().unwrap().minor_digits();
        for (codes, expected) in [
            (&["ISK", "UGX"][..], 0),
            (&["MGA"], 2),
            (&["BHD", "JOD", "KWD", "OMR", "TND"], 3),
            // Those that Stripe lists without decimals and ISO 4217 has none of either.
            (&["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG"], 0),
            (&["RWF", "VND", "VUV", "XAF", "XOF", "XPF"], 0),
        ] {
            for code in codes {
                assert_eq!(digits(code), expected, "{code}");
            }
        }
    }
}
