//! Magic amounts: how to make the simulator misbehave, and the plan of each misbehaviour.
//!
//! The last four digits of an amount in minor units decide: 14021, 4021 and 994021 all answer as
//! [`MagicAmount::UnavailableOnce`] does. Every amount that is not in the table behaves, so 100,
//! 2500, 4000 and 10000 do.
//!
//! Invariants: [`MagicAmount::plan`] is pure; what fails, fails at the first try (or the first two)
//! of an idempotency key and then heals, so that a payment can always be settled by its saga; only
//! declines stay. Tries are counted in memory, per key, as long as the key has no charge: after a
//! restart of the simulator a key without a charge starts at its first try again.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The last digits that are looked at: amount modulo this, in minor units.
const MODULUS: i64 = 10_000;

/// A misbehaviour and the amounts that ask for it. The admin API knows it by its name in
/// `snake_case`, and gives it to a share of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MagicAmount {
    /// Declined, `insufficient_funds`.
    DeclineInsufficientFunds,
    /// Declined, `expired_card`.
    DeclineExpiredCard,
    /// Declined, `do_not_honor`.
    DeclineDoNotHonor,
    /// Charged at once, answered after 1.5 s.
    Slow,
    /// Charged and answered after 15 s, also when the caller has gone. Until then the key is in use
    /// and an inquiry is answered with 409.
    VerySlow,
    /// 503 without charging at the first try, then charged.
    UnavailableOnce,
    /// 503 without charging at the first two tries, then charged.
    UnavailableTwice,
    /// Charged, but answered with 500 at the first try.
    ErrorAfterCharging,
    /// Charged, but never answered at the first try.
    TimeoutAfterCharging,
    /// Not charged and never answered at the first try, then charged.
    TimeoutWithoutCharging,
    /// Charged, never answered at the first try, and the first two inquiries fail with 503.
    TimeoutThenInquiriesFail,
    /// Connection reset without charging at the first try, then charged.
    ResetBeforeCharging,
    /// Charged, but the connection is reset at the first try.
    ResetAfterCharging,
    /// Charged, but answered with 201 and half a body at the first try.
    MalformedBody,
    /// Charged, but answered with somebody else's charge at the first try.
    ForeignBody,
    /// A proxy's 404 page without charging at the first try, then charged.
    ProxyPage,
    /// 429 with `Retry-After: 1` and `processed: false` at the first try, then charged.
    RateLimitedOnce,
    /// 429 of a proxy, without a word on processing, and not charged at the first try, then
    /// charged.
    RateLimitedByProxy,
    /// 401 with `processed: false` at the first try, then charged.
    UnauthorizedOnce,
}

/// What the gateway decides about a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The money is taken.
    Succeeded,
    /// The charge is refused, with this decline code.
    Declined(&'static str),
}

/// Whether and when a try books a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booking {
    /// Not at all.
    None,
    /// Before anything is answered.
    Now(Verdict),
    /// After the long pause, whether or not the caller still waits.
    Late(Verdict),
}

/// How a try is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As documented: 201 and the charge.
    Honest,
    /// The same after the short pause.
    Slowly,
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// Not at all.
    Silence,
    /// TCP reset.
    Reset,
    /// 201 and the first half of the charge.
    HalfBody,
    /// 201 and a charge of another key.
    ForeignCharge,
    /// 404 and a proxy's page.
    ProxyNotFoundPage,
    /// 429, `Retry-After`, the gateway's own error body.
    RateLimited,
    /// 429 and a proxy's page.
    ProxyRateLimitPage,
    /// 401, the gateway's own error body.
    Unauthorized,
}

/// What one try does: first the booking, then the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Whether and when a charge is booked.
    pub booking: Booking,
    /// How the try is answered.
    pub manner: Manner,
}

/// For how many tries of a key a misbehaviour lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    EveryTry,
    FirstTry,
    FirstTwoTries,
}

/// One row of the table: the amounts, what the documentation says, and the plan while it lasts.
struct Row {
    magic: MagicAmount,
    ending: i64,
    lasts: Lasts,
    plan: Plan,
    meaning: &'static str,
}

const CHARGED: Booking = Booking::Now(Verdict::Succeeded);

const fn row(
    (magic, ending): (MagicAmount, i64),
    lasts: Lasts,
    (booking, manner): (Booking, Manner),
    meaning: &'static str,
) -> Row {
    Row { magic, ending, lasts, plan: Plan { booking, manner }, meaning }
}

const fn decline(magic: (MagicAmount, i64), code: &'static str, meaning: &'static str) -> Row {
    let booking = Booking::Now(Verdict::Declined(code));
    row(magic, Lasts::EveryTry, (booking, Manner::Honest), meaning)
}

/// The table, in the order of the enum.
const TABLE: [Row; 19] = {
    use Booking::None;
    use Lasts::{EveryTry, FirstTry, FirstTwoTries};
    use MagicAmount as M;
    use Manner as A;
    [
        decline(
            (M::DeclineInsufficientFunds, 4001),
            "insufficient_funds",
            "declined, insufficient_funds",
        ),
        decline((M::DeclineExpiredCard, 4002), "expired_card", "declined, expired_card"),
        decline((M::DeclineDoNotHonor, 4003), "do_not_honor", "declined, do_not_honor"),
        row((M::Slow, 4011), EveryTry, (CHARGED, A::Slowly), "charged, answered after 1.5 s"),
        row(
            (M::VerySlow, 4012),
            EveryTry,
            (Booking::Late(Verdict::Succeeded), A::Honest),
            "charged after 15 s, inquiries 409 until then",
        ),
        row((M::UnavailableOnce, 4021), FirstTry, (None, A::Unavailable), "503, not charged"),
        row((M::UnavailableTwice, 4022), FirstTwoTries, (None, A::Unavailable), "503, not charged"),
        row((M::ErrorAfterCharging, 4023), FirstTry, (CHARGED, A::InternalError), "500, charged"),
        row((M::TimeoutAfterCharging, 4031), FirstTry, (CHARGED, A::Silence), "silence, charged"),
        row(
            (M::TimeoutWithoutCharging, 4032),
            FirstTry,
            (None, A::Silence),
            "silence, not charged",
        ),
        row(
            (M::TimeoutThenInquiriesFail, 4033),
            FirstTry,
            (CHARGED, A::Silence),
            "silence, charged, first two inquiries 503",
        ),
        row((M::ResetBeforeCharging, 4041), FirstTry, (None, A::Reset), "reset, not charged"),
        row((M::ResetAfterCharging, 4042), FirstTry, (CHARGED, A::Reset), "reset, charged"),
        row(
            (M::MalformedBody, 4051),
            FirstTry,
            (CHARGED, A::HalfBody),
            "201, half a body, charged",
        ),
        row(
            (M::ForeignBody, 4052),
            FirstTry,
            (CHARGED, A::ForeignCharge),
            "201, somebody else's charge, charged",
        ),
        row(
            (M::ProxyPage, 4053),
            FirstTry,
            (None, A::ProxyNotFoundPage),
            "404, a proxy's page, not charged",
        ),
        row(
            (M::RateLimitedOnce, 4061),
            FirstTry,
            (None, A::RateLimited),
            "429, processed: false, not charged",
        ),
        row(
            (M::RateLimitedByProxy, 4062),
            FirstTry,
            (None, A::ProxyRateLimitPage),
            "429, a proxy's page, not charged",
        ),
        row(
            (M::UnauthorizedOnce, 4063),
            FirstTry,
            (None, A::Unauthorized),
            "401, processed: false, not charged",
        ),
    ]
};

impl Plan {
    /// What happens to an amount that is not magic: charged and answered.
    pub const ORDINARY: Self = Self { booking: CHARGED, manner: Manner::Honest };
}

impl Lasts {
    const fn tries(self) -> u32 {
        match self {
            Self::EveryTry => u32::MAX,
            Self::FirstTry => 1,
            Self::FirstTwoTries => 2,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::EveryTry => "always",
            Self::FirstTry => "first try",
            Self::FirstTwoTries => "first two tries",
        }
    }
}

impl MagicAmount {
    /// The misbehaviour that `amount_minor` asks for, if any.
    pub fn of(amount_minor: i64) -> Option<Self> {
        let ending = amount_minor.rem_euclid(MODULUS);
        TABLE.iter().find(|row| row.ending == ending).map(|row| row.magic)
    }

    /// Every misbehaviour, in the order of its digits.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.magic)
    }

    /// The last four digits that ask for it: also its smallest amount, in minor units.
    pub const fn ending(self) -> i64 {
        TABLE[self as usize].ending
    }

    /// Its name in the admin API.
    pub fn name(self) -> String {
        let quoted = serde_json::to_string(&self).expect("a variant without fields is a string");
        quoted.trim_matches('"').to_owned()
    }

    /// What the try number `attempt` does: counted from 1, per key without a charge.
    pub const fn plan(self, attempt: u32) -> Plan {
        let row = &TABLE[self as usize];
        if attempt <= row.lasts.tries() { row.plan } else { Plan::ORDINARY }
    }

    /// How many inquiries of a charge of this amount fail before one is answered.
    pub const fn failing_inquiries(self) -> u32 {
        if matches!(self, Self::TimeoutThenInquiriesFail) { 2 } else { 0 }
    }
}

/// The table of magic amounts as text, for `holdfast gateway-sim --help`.
pub fn help_table() -> String {
    let mut table = String::from(
        "Magic amounts. The last four digits of an amount in minor units make the simulator\n\
         misbehave: 4031, 14031 and 994031 all time out after charging. What fails, fails for the\n\
         tries named here of one idempotency key and then works; every other amount succeeds.\n\
         By its name, a share of the keys can be given any of them (PUT /admin/behaviour).\n\n",
    );
    for row in &TABLE {
        // Writing to a String cannot fail.
        let (ending, name, lasts) = (row.ending, row.magic.name(), row.lasts.label());
        let _ = writeln!(table, "  {ending}  {name:<27}  {lasts:<15}  {}", row.meaning);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_enum_and_endings_rise() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.magic as usize, index);
            assert_eq!(row.magic.ending(), row.ending);
            assert_eq!(MagicAmount::of(row.ending), Some(row.magic));
            assert_eq!(MagicAmount::of(row.ending + 7 * MODULUS), Some(row.magic));
            assert!(index == 0 || TABLE[index - 1].ending < row.ending);
        }
    }

    #[test]
    fn common_amounts_behave() {
        let common = [1, 99, 100, 999, 1000, 2500, 4000, 4999, 10_000, 12_345, 40_000, 100_000];
        for amount in common {
            assert_eq!(MagicAmount::of(amount), None, "{amount}");
        }
    }

    #[test]
    fn what_fails_heals_and_what_is_declined_stays() {
        for magic in MagicAmount::all() {
            let healed = magic.plan(3);
            let declines = matches!(healed.booking, Booking::Now(Verdict::Declined(_)));
            let slow = matches!(magic, MagicAmount::Slow | MagicAmount::VerySlow);
            assert!(healed == Plan::ORDINARY || declines || slow, "{magic:?}");
            assert_ne!(magic.plan(1), Plan::ORDINARY, "{magic:?}");
        }
        assert_eq!(MagicAmount::UnavailableOnce.plan(2), Plan::ORDINARY);
        assert_ne!(MagicAmount::UnavailableTwice.plan(2), Plan::ORDINARY);
    }

    #[test]
    fn the_help_names_every_amount() {
        let help = help_table();
        for magic in MagicAmount::all() {
            assert!(
                help.contains(&format!("  {}  {} ", magic.ending(), magic.name())),
                "{magic:?}"
            );
        }
        assert!(help.lines().all(|line| line.len() <= 100));
    }
}
