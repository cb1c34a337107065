//! What an audit found: one result per check, and the totals of the journal.
//!
//! Violations are counted without bound and kept as examples up to [`MAX_EXAMPLES`] per check, so a
//! journal that is broken throughout still gives a report that a person can read.

use std::collections::BTreeMap;

use schemas::{Amount, Currency, Partition, PaymentId, Position, WalletId};
use serde::{Serialize, Serializer};

/// The most examples that one check keeps: enough to see a pattern.
pub const MAX_EXAMPLES: usize = 10;

/// The most open holds that the totals list; all of them are counted.
pub const MAX_LISTED_HOLDS: usize = 20;

/// Something that must never be, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The entry that shows it; none for what only the end of the journal shows.
    #[serde(serialize_with = "position_as_text")]
    pub position: Option<Position>,
    /// What was found, against what.
    pub detail: String,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// The stable, short name.
    pub name: &'static str,
    /// What holds when there are no violations.
    pub meaning: &'static str,
    /// How many things it looked at: a check that examined nothing proves nothing.
    pub examined: u64,
    /// How many violations there are in all.
    pub violations: u64,
    /// The first of them, at most [`MAX_EXAMPLES`].
    pub examples: Vec<Violation>,
}

impl CheckResult {
    pub(super) fn new(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, examined: 0, violations: 0, examples: Vec::new() }
    }

    pub(super) fn examine(&mut self) {
        self.examined += 1;
    }

    pub(super) fn violated(&mut self, at: impl Into<Option<Position>>, detail: impl Into<String>) {
        self.violations += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(Violation { position: at.into(), detail: detail.into() });
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// One result per check, always in the same order.
    pub checks: Vec<CheckResult>,
    /// What the journal holds, by the audit's own count.
    pub totals: Totals,
}

impl AuditReport {
    /// How many violations there are in all checks.
    pub fn violations(&self) -> u64 {
        self.checks.iter().map(|check| check.violations).sum()
    }

    /// Whether no check found a violation.
    pub fn is_clean(&self) -> bool {
        self.violations() == 0
    }

    /// The result of the check with this name.
    pub fn check(&self, name: &str) -> Option<&CheckResult> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// What the journal holds, by the audit's own count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Records of the journal, unreadable ones included.
    pub entries: u64,
    /// Entries whose input was accepted.
    pub accepted: u64,
    /// Entries whose input was a repetition.
    pub replayed: u64,
    /// Entries whose input was refused.
    pub refused: u64,
    /// Where each partition ended.
    pub partitions: BTreeMap<Partition, PartitionTotals>,
    /// Wallets opened.
    pub wallets: u64,
    /// Deposits recorded.
    pub deposits: u64,
    /// Withdrawals recorded.
    pub withdrawals: u64,
    /// Refunds requested.
    pub refunds: u64,
    /// Transfers requested.
    pub transfers: u64,
    /// Bookings of suspense accounts: each waits for a person.
    pub suspense_bookings: u64,
    /// Payments by where they stand.
    pub payments: PaymentTotals,
    /// Discrepancies recorded: each waits for a person.
    pub discrepancies: u64,
    /// Money by currency.
    pub money: BTreeMap<Currency, MoneyTotals>,
    /// Holds that nothing has closed yet.
    pub open_holds: u64,
    /// The first of them by payment id, at most [`MAX_LISTED_HOLDS`].
    pub open_holds_listed: Vec<OpenHold>,
    /// What the gateway says, where its ground truth was given.
    pub ground_truth: Option<GroundTruthTotals>,
}

/// One partition of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PartitionTotals {
    /// Records read.
    pub entries: u64,
    /// The sequence of the last readable entry; 0 for none.
    pub last_seq: i64,
    /// The offset of the last record.
    pub last_offset: i64,
}

/// Payments by where they stand at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PaymentTotals {
    /// All of them.
    pub requested: u64,
    /// The gateway charged and the hold was posted.
    pub completed: u64,
    /// Failed for good, by code.
    pub failed: BTreeMap<String, u64>,
    /// Whether the gateway charged is not known; the money is held.
    pub in_doubt: u64,
    /// Under way; the money is held.
    pub processing: u64,
    /// A person must decide; the money is held.
    pub needs_review: u64,
    /// Ended as their callers wished.
    pub cancelled: u64,
}

impl PaymentTotals {
    /// All that failed, whatever the code.
    pub fn failed_in_all(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// Money of one currency, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MoneyTotals {
    /// Came in by deposits, without those that were reversed.
    pub deposited: i128,
    /// Went out by completed payments.
    pub captured: i128,
    /// Came back into wallets by refunds.
    pub refunded: i128,
    /// Went out by external rails, without what was reversed.
    pub withdrawn: i128,
    /// Is in suspense: what somebody may own, less what somebody owes.
    pub in_suspense: i128,
    /// Is in wallets, what is held included.
    pub in_wallets: i128,
    /// Is held in wallets for open payments.
    pub held: i128,
}

/// A hold that nothing has closed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OpenHold {
    /// For which payment.
    pub payment_id: PaymentId,
    /// In which wallet.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// The entry that placed it.
    #[serde(serialize_with = "position_as_text")]
    pub placed: Position,
}

/// What the gateway says it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct GroundTruthTotals {
    /// Charges that it decided.
    pub charges: u64,
    /// Of these, those that took money.
    pub succeeded: u64,
    /// Of these, those that were refused.
    pub declined: u64,
    /// Succeeded charges of payments that are still open: the answer is on its way or in doubt.
    pub pending: u64,
    /// Charges and refunds made after the end of the journal was taken, of payments that are not
    /// in it.
    pub newer: u64,
    /// Refunds that it decided.
    pub refunds: u64,
    /// Payments that completed because a person said so: what was charged for these is not held
    /// against what they say.
    pub by_hand: u64,
}

fn position_as_text<S: Serializer>(
    position: &(impl Copy + Into<Option<Position>>),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match (*position).into() {
        Some(position) => serializer.collect_str(&position),
        None => serializer.serialize_none(),
    }
}
