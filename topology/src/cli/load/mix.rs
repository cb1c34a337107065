//! What becomes of the payments: shares of outcomes, each brought about by its amount.
//!
//! The outcomes are those of the simulator's magic amounts, and one of our own: an amount that no
//! wallet holds.

use std::str::FromStr;

use connectors::gateway::simulator::magic::MagicAmount;
use rand::RngExt;
use rand::rngs::SmallRng;
use schemas::{ErrorCode, MAX_AMOUNT_MINOR};

/// What a payment is made to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Charged at once.
    Completed,
    /// Refused for lack of funds, before any gateway is asked.
    Insufficient,
    /// What the gateway does with a magic amount.
    Magic(MagicAmount),
}

/// The names that `--mix` knows.
const NAMES: [(&str, Fate); 21] = {
    use Fate::{Completed, Insufficient, Magic};
    use MagicAmount as M;
    [
        ("completed", Completed),
        ("insufficient", Insufficient),
        ("decline", Magic(M::DeclineDoNotHonor)),
        ("decline_insufficient_funds", Magic(M::DeclineInsufficientFunds)),
        ("decline_expired_card", Magic(M::DeclineExpiredCard)),
        ("slow", Magic(M::Slow)),
        ("very_slow", Magic(M::VerySlow)),
        ("unavailable_once", Magic(M::UnavailableOnce)),
        ("unavailable_twice", Magic(M::UnavailableTwice)),
        ("error_after_charge", Magic(M::ErrorAfterCharging)),
        ("timeout_after_charge", Magic(M::TimeoutAfterCharging)),
        ("timeout_without_charge", Magic(M::TimeoutWithoutCharging)),
        ("timeout_then_inquiries_fail", Magic(M::TimeoutThenInquiriesFail)),
        ("reset_before_charge", Magic(M::ResetBeforeCharging)),
        ("reset_after_charge", Magic(M::ResetAfterCharging)),
        ("malformed_body", Magic(M::MalformedBody)),
        ("foreign_body", Magic(M::ForeignBody)),
        ("proxy_page", Magic(M::ProxyPage)),
        ("rate_limited_once", Magic(M::RateLimitedOnce)),
        ("rate_limited_by_proxy", Magic(M::RateLimitedByProxy)),
        ("unauthorized_once", Magic(M::UnauthorizedOnce)),
    ]
};

impl Fate {
    /// The amount that brings it about, minor units; `ordinary` is that of one that completes.
    fn amount(self, ordinary: i64) -> i64 {
        match self {
            Self::Completed => ordinary,
            Self::Insufficient => MAX_AMOUNT_MINOR,
            Self::Magic(magic) => magic.ending(),
        }
    }

    /// The refusal that it ends in; none when the payment completes in the end.
    fn refusal(self) -> Option<ErrorCode> {
        use MagicAmount as M;
        match self {
            Self::Insufficient => Some(ErrorCode::InsufficientFunds),
            Self::Magic(
                M::DeclineDoNotHonor | M::DeclineInsufficientFunds | M::DeclineExpiredCard,
            ) => Some(ErrorCode::PaymentDeclined),
            Self::Completed | Self::Magic(_) => None,
        }
    }
}

/// Shares of outcomes. They need not add up to 100.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mix {
    /// The outcomes with the sum of the shares up to and with each.
    upto: Vec<(Fate, f64)>,
}

/// A mix that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MixInvalid {
    /// Not `name=share,…`.
    #[error("a mix reads name=share,…, for example completed=90,decline=10; not {0:?}")]
    Malformed(String),
    /// An outcome that is not known.
    #[error("{0:?} is none of the outcomes: {names}", names = names())]
    Unknown(String),
    /// Nothing to choose from.
    #[error("a mix needs a share above 0")]
    Empty,
}

/// Every name that `--mix` knows, comma-separated.
pub(super) fn names() -> String {
    NAMES.map(|(name, _)| name).join(", ")
}

impl FromStr for Mix {
    type Err = MixInvalid;

    fn from_str(text: &str) -> Result<Self, MixInvalid> {
        let malformed = || MixInvalid::Malformed(text.to_owned());
        let mut upto = Vec::new();
        let mut sum = 0.0;
        for part in text.split(',') {
            let (name, share) = part.split_once('=').ok_or_else(malformed)?;
            let share: f64 = share.trim().parse().map_err(|_| malformed())?;
            if !share.is_finite() || share < 0.0 {
                return Err(malformed());
            }
            let known = NAMES.iter().find(|(known, _)| *known == name.trim());
            let (_, fate) = known.ok_or_else(|| MixInvalid::Unknown(name.trim().to_owned()))?;
            sum += share;
            upto.push((*fate, sum));
        }
        if sum > 0.0 { Ok(Self { upto }) } else { Err(MixInvalid::Empty) }
    }
}

impl Mix {
    /// The amount of the next payment, minor units; `ordinary` is that of one that completes.
    pub(super) fn draw(&self, random: &mut SmallRng, ordinary: i64) -> i64 {
        if let [(fate, _)] = self.upto[..] {
            return fate.amount(ordinary);
        }
        let sum = self.upto.last().map_or(0.0, |(_, sum)| *sum);
        let place = random.random_range(0.0..sum);
        let drawn = self.upto.iter().find(|(_, upto)| place < *upto);
        drawn.map_or(ordinary, |(fate, _)| fate.amount(ordinary))
    }

    /// Whether payments of this mix are meant to end in this refusal.
    pub(super) fn expects(&self, code: &str) -> bool {
        self.upto.iter().any(|(fate, _)| fate.refusal().is_some_and(|known| known.code() == code))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn amounts_are_drawn_in_proportion() {
        let mix: Mix = "completed=80, decline=15,insufficient=5".parse().expect("a mix");
        let mut random = SmallRng::seed_from_u64(7);
        let mut drawn = BTreeMap::<i64, u32>::new();
        for _ in 0..100_000 {
            *drawn.entry(mix.draw(&mut random, 100)).or_default() += 1;
        }
        let rows = [(100, 80_000), (4_003, 15_000), (MAX_AMOUNT_MINOR, 5_000)];
        assert_eq!(drawn.len(), rows.len());
        for (amount, expected) in rows {
            assert!(drawn[&amount].abs_diff(expected) < 1_000, "{amount}: {}", drawn[&amount]);
        }
    }

    #[test]
    fn a_refusal_is_expected_only_of_a_mix_that_asks_for_it() {
        let rows = [
            ("completed=1", "payment_declined", false),
            ("completed=1,decline_expired_card=1", "payment_declined", true),
            ("completed=1,decline=1", "insufficient_funds", false),
            ("insufficient=1", "insufficient_funds", true),
            ("timeout_after_charge=1", "payment_declined", false),
        ];
        for (mix, code, expected) in rows {
            assert_eq!(mix.parse::<Mix>().expect(mix).expects(code), expected, "{mix} {code}");
        }
    }

    #[test]
    fn every_magic_amount_has_a_name() {
        for magic in MagicAmount::all() {
            assert!(NAMES.iter().any(|(_, fate)| *fate == Fate::Magic(magic)), "{magic:?}");
        }
        assert_eq!(MagicAmount::of(MAX_AMOUNT_MINOR), None);
    }

    #[test]
    fn what_is_no_mix_is_refused() {
        for bad in ["", "completed", "completed=x", "completed=-1", "completed=0", "happy=1"] {
            assert!(bad.parse::<Mix>().is_err(), "{bad:?}");
        }
    }
}
