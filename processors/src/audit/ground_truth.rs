//! The checks against what the gateway itself says it did.
//!
//! The ground truth must be taken after the end of the journal was, and from every gateway that the
//! journal's payments go to: then each charge that a completed payment rests on is in it. Charges
//! that are newer than that end may be of payments the audit has not seen.

use std::collections::BTreeMap;

use schemas::{Currency, OperationId, PaymentId, RefundId, Timestamp};
use serde::Deserialize;

use super::operations::Operations;
use super::payments::{Course, Payments};
use super::refunds::Refunds;
use super::report::{CheckResult, GroundTruthTotals};

/// A charge or refund as a gateway's ground truth states it; fields that no check needs are left
/// out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// The key it was made with.
    pub idempotency_key: String,
    /// What it was made for: the payment id.
    pub reference: String,
    /// The attempt; of a refund, its id.
    pub attempt_id: String,
    /// Of a refund: the gateway's name of the charge that is given back.
    #[serde(default)]
    pub charge: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// What was decided.
    pub status: ChargeStatus,
    /// When it was decided, Unix time in milliseconds.
    pub created: i64,
}

/// What a gateway decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The money was taken.
    Succeeded,
    /// Nothing was taken.
    Declined,
}

/// All charges and refunds that gateways decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundTruth {
    /// In any order.
    pub charges: Vec<Charge>,
    /// In any order; none where a source does not tell of refunds.
    pub refunds: Option<Vec<Charge>>,
    /// When the end of the journal was taken: a charge older than this is of a payment in it.
    pub journal_end_taken: Timestamp,
}

/// Holds the folds against the charges: one result per check, and the totals.
pub(super) fn compare(
    truth: &GroundTruth,
    payments: &Payments,
    operations: &Operations,
    refunds: &Refunds,
) -> (Vec<CheckResult>, GroundTruthTotals) {
    let succeeded = Succeeded::of(&truth.charges);
    let mut totals = totals(&truth.charges);
    let checks = vec![
        known(truth, payments, operations, &mut totals),
        charged_once(&succeeded, payments),
        failed_uncharged(&succeeded, payments),
        completed_charged(&succeeded, payments, &mut totals),
        refunds_given_back(truth, refunds, &mut totals),
    ];
    let is_open = |charges: &Vec<&Charge>| {
        let payment = charges.first().and_then(|one| payments.get(one.reference.parse().ok()?));
        payment.is_some_and(|payment| {
            let course = payment.course();
            matches!(course, Course::Processing | Course::InDoubt | Course::NeedsReview)
        })
    };
    let pending = succeeded.by_payment.values().filter(|charges| is_open(charges));
    totals.pending = pending.map(|charges| charges.len() as u64).sum();
    (checks, totals)
}

/// The charges that took money.
struct Succeeded<'a> {
    by_payment: BTreeMap<&'a str, Vec<&'a Charge>>,
    by_key: BTreeMap<&'a str, u64>,
}

impl<'a> Succeeded<'a> {
    fn of(charges: &'a [Charge]) -> Self {
        let mut this = Self { by_payment: BTreeMap::new(), by_key: BTreeMap::new() };
        for charge in charges.iter().filter(|charge| charge.status == ChargeStatus::Succeeded) {
            this.by_payment.entry(&charge.reference).or_default().push(charge);
            *this.by_key.entry(&charge.idempotency_key).or_default() += 1;
        }
        this
    }

    fn for_payment(&self, id: PaymentId) -> &[&'a Charge] {
        self.by_payment.get(id.to_string().as_str()).map_or(&[], Vec::as_slice)
    }
}

fn totals(charges: &[Charge]) -> GroundTruthTotals {
    let mut totals = GroundTruthTotals::default();
    for charge in charges {
        totals.charges += 1;
        match charge.status {
            ChargeStatus::Succeeded => totals.succeeded += 1,
            ChargeStatus::Declined => totals.declined += 1,
        }
    }
    totals
}

/// Each charge is one that the ledger asked for.
fn known(
    truth: &GroundTruth,
    payments: &Payments,
    operations: &Operations,
    totals: &mut GroundTruthTotals,
) -> CheckResult {
    let meaning = "every charge was asked for: it is for a payment of the journal, with a key of \
                   that payment";
    let mut result = CheckResult::new("charges_known", meaning);
    for charge in &truth.charges {
        result.examine();
        let (reference, key) = (&charge.reference, &charge.idempotency_key);
        let payment = reference.parse().ok().filter(|id| payments.get(*id).is_some());
        let Some(payment) = payment else {
            if Timestamp::from_millis(charge.created) >= truth.journal_end_taken {
                totals.newer += 1;
            } else {
                let detail = format!("a charge with key {key:?} is for {reference:?}, no payment");
                result.violated(None, detail);
            }
            continue;
        };
        let owner = key.parse::<OperationId>().ok().and_then(|key| operations.payment_of(key));
        if owner != Some(payment) {
            let detail = format!("the charge of payment {payment} has key {key:?}, not one of its");
            result.violated(None, detail);
        }
    }
    result
}

/// Nobody was charged twice.
fn charged_once(succeeded: &Succeeded<'_>, payments: &Payments) -> CheckResult {
    let meaning = "nobody was charged twice: at most one charge per payment and per key took \
                   money, but for those that are refunded because nobody wants them";
    let mut result = CheckResult::new("charged_once", meaning);
    for (payment, charges) in &succeeded.by_payment {
        result.examine();
        let count = charges.iter().filter(|charge| !is_refunded(charge, payments)).count();
        if count > 1 {
            let detail = format!("payment {payment} was charged {count} times");
            result.violated(None, detail);
        }
    }
    for (key, count) in succeeded.by_key.iter().filter(|(_, count)| **count > 1) {
        result.violated(None, format!("key {key} was charged {count} times"));
    }
    result
}

/// Nobody was charged for a payment that failed.
fn failed_uncharged(succeeded: &Succeeded<'_>, payments: &Payments) -> CheckResult {
    let meaning = "nobody was charged for a payment that failed or was cancelled, unless that \
                   charge is refunded";
    let mut result = CheckResult::new("failed_uncharged", meaning);
    for (id, payment) in payments.iter() {
        let code = match payment.course() {
            Course::Failed { code } => code,
            Course::Cancelled => "cancelled",
            Course::Processing
            | Course::InDoubt
            | Course::NeedsReview
            | Course::Completed { .. } => continue,
        };
        result.examine();
        let charges = succeeded.for_payment(id).iter();
        for charge in charges.filter(|charge| !is_refunded(charge, payments)) {
            let (amount, currency) = (charge.amount, &charge.currency);
            let detail =
                format!("payment {id} failed ({code}) and was charged {amount} {currency}");
            result.violated(payment.requested, detail);
        }
    }
    result
}

/// A payment that completed was charged, with its amount.
fn completed_charged(
    succeeded: &Succeeded<'_>,
    payments: &Payments,
    totals: &mut GroundTruthTotals,
) -> CheckResult {
    let meaning = "every completed payment was charged, with its amount in its currency, unless a \
                   person said what came of it";
    let mut result = CheckResult::new("completed_charged", meaning);
    for (id, payment) in payments.iter() {
        let Course::Completed { captured } = payment.course() else { continue };
        if payment.is_by_hand() {
            totals.by_hand += 1;
            continue;
        }
        result.examine();
        let charges = succeeded.for_payment(id);
        if charges.is_empty() {
            result.violated(payment.requested, format!("payment {id} completed, never charged"));
        }
        for charge in charges.iter().filter(|charge| !is_refunded(charge, payments)) {
            let currency = charge.currency.parse::<Currency>();
            let is_same = charge.amount == captured.minor() || payment.is_surplus_known();
            if !is_same || currency != Ok(payment.currency) {
                let (amount, own) = (charge.amount, payment.currency);
                let detail = format!(
                    "payment {id} completed with {captured} {own} and was charged {amount} {}",
                    charge.currency
                );
                result.violated(payment.requested, detail);
            }
        }
    }
    result
}

/// What the journal says came back is what the gateway gave back.
fn refunds_given_back(
    truth: &GroundTruth,
    refunds: &Refunds,
    totals: &mut GroundTruthTotals,
) -> CheckResult {
    let meaning = "every refund that the gateway gave back was asked for and given back once; one \
                   that succeeded was given back with its amount, and nothing of one that failed, \
                   unless a person said what came of it";
    let mut result = CheckResult::new("refunds_given_back", meaning);
    let Some(told) = &truth.refunds else { return result };
    totals.refunds = told.len() as u64;
    let mut given_back: BTreeMap<RefundId, i64> = BTreeMap::new();
    for refund in told.iter().filter(|refund| refund.status == ChargeStatus::Succeeded) {
        result.examine();
        let (id, amount) = (&refund.attempt_id, refund.amount);
        let known = id.parse().ok().and_then(|id| Some((id, refunds.payment_of(id)?)));
        match known {
            Some((id, payment)) if payment.to_string() == refund.reference => {
                if given_back.insert(id, amount).is_some() {
                    result.violated(None, format!("refund {id} was given back twice"));
                }
            }
            Some((id, payment)) => {
                let of = &refund.reference;
                let detail = format!("refund {id} of payment {payment} was given back for {of:?}");
                result.violated(None, detail);
            }
            None if Timestamp::from_millis(refund.created) >= truth.journal_end_taken => {
                totals.newer += 1;
            }
            None => {
                let detail = format!("{amount} were given back for {id:?}, no refund");
                result.violated(None, detail);
            }
        }
    }
    for (id, refund) in refunds.settled() {
        result.examine();
        let told = given_back.get(&id).copied();
        if told != refund.given_back {
            let words =
                |amount: Option<i64>| amount.map_or("nothing".to_owned(), |it| it.to_string());
            let (own, told) = (words(refund.given_back), words(told));
            let detail = format!("of refund {id} came {own} back, and the gateway gave {told}");
            result.violated(refund.requested, detail);
        }
    }
    result
}

/// Whether the journal refunds a charge because nobody wants it.
fn is_refunded(charge: &Charge, payments: &Payments) -> bool {
    let payment = charge.reference.parse().ok().and_then(|id| payments.get(id));
    let key = charge.idempotency_key.parse().ok();
    payment.zip(key).is_some_and(|(payment, key)| payment.is_unwanted(key))
}
