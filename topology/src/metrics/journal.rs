//! The counters of the business: they move once for each entry of the journal, whoever asked for
//! what by which way.
//!
//! Handles are looked up when the process starts; an entry costs some atomic additions.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use schemas::entry::{Entry, InputBody, Verdict};
use schemas::event::{Event, PaymentFailed};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome};
use schemas::{Currency, ErrorCode, GatewayName, Timestamp};

use super::catalogue::Metric;
use super::exposure::{Exposure, Followed};
use super::registry::Metrics;

const INPUTS: [&str; 6] =
    ["command", "operation", "gateway_result", "timer", "unreadable", "transfer_leg"];
const VERDICTS: [&str; 3] = ["accepted", "replayed", "refused"];
const WALLET_OPERATIONS: [&str; 5] = ["opened", "deposited", "held", "posted", "voided"];
const TRANSFER_STEPS: [&str; 5] = ["held", "credited", "refused", "completed", "failed"];
const OPERATIONS: [&str; 6] =
    ["submit", "inquire", "refund", "inquire_refund", "notify", "notify_refund"];
const OUTCOMES: [&str; 6] =
    ["succeeded", "declined", "not_sent", "expired_unsent", "unknown", "not_found"];

/// Moves the metrics that entries move.
pub struct JournalMeter {
    inputs: [[IntCounter; VERDICTS.len()]; INPUTS.len()],
    refusals: ByCode,
    failures: ByCode,
    attempts: ByGateway,
    successes: ByGateway,
    latency: Histogram,
    wallet_operations: [(IntCounter, Histogram); WALLET_OPERATIONS.len()],
    retries: [IntCounter; OPERATIONS.len()],
    results: [[IntCounter; OUTCOMES.len()]; OPERATIONS.len()],
    transfers: [IntCounter; TRANSFER_STEPS.len()],
    discrepancies: IntCounter,
    untracked: IntCounter,
    amounts: IntCounterVec,
    balances: IntGaugeVec,
    doubts: IntGaugeVec,
    money_in_doubt: IntGaugeVec,
    refund_doubts: IntGaugeVec,
    refunds_in_doubt: IntGaugeVec,
    currencies: Vec<ByCurrency>,
    open: IntGauge,
    outstanding: IntGauge,
    newest: IntGauge,
}

/// Shows when the newest entry was made.
#[derive(Debug, Clone)]
pub struct NewestEntry(IntGauge);

impl NewestEntry {
    /// When it was made, to the second; none before the first.
    pub fn at(&self) -> Option<Timestamp> {
        let seconds = self.0.get();
        (seconds > 0).then(|| Timestamp::from_millis(seconds * 1000))
    }
}

/// Counters by code of the one table; the last is for codes that it lacks.
struct ByCode(Vec<IntCounter>);

impl ByCode {
    fn of(counters: &IntCounterVec) -> Self {
        let codes = ErrorCode::ALL.iter().map(|code| code.code());
        Self(codes.chain(["unknown"]).map(|code| counters.with_label_values(&[code])).collect())
    }

    fn count(&self, code: &str) {
        let at = ErrorCode::from_code(code)
            .and_then(|code| ErrorCode::ALL.iter().position(|known| *known == code));
        if let Some(counter) = self.0.get(at.unwrap_or(ErrorCode::ALL.len())) {
            counter.inc();
        }
    }
}

/// Counters by configured gateway.
struct ByGateway {
    known: Vec<(GatewayName, IntCounter)>,
    none: IntCounter,
    other: IntCounter,
}

impl ByGateway {
    fn of(counters: &IntCounterVec, gateways: &[GatewayName]) -> Self {
        let counter = |name: &str| counters.with_label_values(&[name]);
        let known = gateways.iter().map(|name| (name.clone(), counter(name.as_str())));
        Self { known: known.collect(), none: counter("none"), other: counter("other") }
    }

    fn count(&self, gateway: Option<&GatewayName>) {
        let Some(gateway) = gateway else { return self.none.inc() };
        let known = self.known.iter().find(|(name, _)| name == gateway);
        known.map_or(&self.other, |(_, counter)| counter).inc();
    }
}

struct ByCurrency {
    currency: Currency,
    amount: IntCounter,
    balance: IntGauge,
    doubts: IntGauge,
    money_in_doubt: IntGauge,
    refund_doubts: IntGauge,
    refunds_in_doubt: IntGauge,
}

impl JournalMeter {
    /// A meter for a process that knows these gateways.
    pub fn new(metrics: &Metrics, gateways: &[GatewayName]) -> Self {
        let inputs = metrics.counters(Metric::Inputs);
        let wallets = metrics.counters(Metric::WalletOperations);
        let durations = metrics.histograms(Metric::WalletOperationDuration);
        let results = metrics.counters(Metric::GatewayResults);
        let retries = metrics.counters(Metric::RetryAttempts);
        let transfers = metrics.counters(Metric::Transfers);
        let one = |metric| metrics.counters(metric).with_label_values::<&str>(&[]);
        let gauge = |metric| metrics.gauges(metric).with_label_values::<&str>(&[]);
        Self {
            inputs: INPUTS
                .map(|input| VERDICTS.map(|verdict| inputs.with_label_values(&[input, verdict]))),
            refusals: ByCode::of(&metrics.counters(Metric::Refusals)),
            failures: ByCode::of(&metrics.counters(Metric::PaymentFailures)),
            attempts: ByGateway::of(&metrics.counters(Metric::PaymentAttempts), gateways),
            successes: ByGateway::of(&metrics.counters(Metric::PaymentSuccess), gateways),
            latency: metrics.histograms(Metric::PaymentLatency).with_label_values::<&str>(&[]),
            wallet_operations: WALLET_OPERATIONS.map(|operation| {
                (wallets.with_label_values(&[operation]), durations.with_label_values(&[operation]))
            }),
            retries: OPERATIONS.map(|operation| retries.with_label_values(&[operation])),
            results: OPERATIONS.map(|operation| {
                OUTCOMES.map(|outcome| results.with_label_values(&[operation, outcome]))
            }),
            transfers: TRANSFER_STEPS.map(|step| transfers.with_label_values(&[step])),
            discrepancies: one(Metric::Discrepancies),
            untracked: one(Metric::PaymentsUntracked),
            amounts: metrics.counters(Metric::PaymentAmount),
            balances: metrics.gauges(Metric::WalletBalance),
            doubts: metrics.gauges(Metric::PaymentsInDoubt),
            money_in_doubt: metrics.gauges(Metric::MoneyInDoubt),
            refund_doubts: metrics.gauges(Metric::RefundsInDoubt),
            refunds_in_doubt: metrics.gauges(Metric::RefundMoneyInDoubt),
            currencies: Vec::new(),
            open: gauge(Metric::PaymentsOpen),
            outstanding: gauge(Metric::OperationsOutstanding),
            newest: gauge(Metric::LastEntryTime),
        }
    }

    /// Shows when the newest entry was made.
    pub fn newest(&self) -> NewestEntry {
        NewestEntry(self.newest.clone())
    }

    /// Folds an entry of the past: only what gauges stand for changes.
    pub fn fold(&self, exposure: &mut Exposure, entry: &Entry) {
        exposure.fold_postings(entry);
        for event in &entry.events {
            exposure.fold(event, entry);
        }
    }

    /// Folds an entry and counts it, as of this time.
    #[expect(clippy::too_many_lines, reason = "one arm for each event")]
    pub fn count(&mut self, exposure: &mut Exposure, entry: &Entry, now: Timestamp) {
        exposure.fold_postings(entry);
        self.count_input(entry);
        let took = now.since(entry.at);
        let mut currency = None;
        for event in &entry.events {
            let followed = exposure.fold(event, entry);
            if let Followed::Ended(requested_at) = followed {
                self.latency.observe(now.since(requested_at).as_secs_f64());
            }
            match event {
                Event::WalletOpened(_) => self.wallet(0, took),
                Event::DepositRecorded(_) => self.wallet(1, took),
                Event::HoldPlaced(_) => self.wallet(2, took),
                Event::HoldPosted(hold) => {
                    currency = Some(hold.currency);
                    self.wallet(3, took);
                }
                Event::HoldVoided(_) => self.wallet(4, took),
                Event::PaymentRequested(_) => {
                    self.attempts.count(gateway_of(entry));
                    self.note_untracked(followed);
                }
                Event::RefundRequested(_) => self.note_untracked(followed),
                Event::GatewayOperationRequested(request) => match request.operation {
                    GatewayOperationKind::Submit | GatewayOperationKind::Refund
                        if request.operation_seq == 1 => {}
                    GatewayOperationKind::Submit => self.retries[0].inc(),
                    GatewayOperationKind::Inquire => self.retries[1].inc(),
                    GatewayOperationKind::Refund => self.retries[2].inc(),
                    GatewayOperationKind::InquireRefund => self.retries[3].inc(),
                    GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => {}
                },
                Event::PaymentCompleted(completed) => {
                    self.successes.count(Some(&completed.gateway));
                    if let Some(currency) = currency {
                        let amount = completed.captured_amount.minor().unsigned_abs();
                        self.currency(currency).amount.inc_by(amount);
                    }
                }
                Event::PaymentFailed(PaymentFailed { code, .. }) => self.failures.count(code),
                Event::TransferHeld(_)
                | Event::TransferCredited(_)
                | Event::TransferRefused(_)
                | Event::TransferCompleted(_)
                | Event::TransferFailed(_) => self.count_transfer(event),
                Event::DiscrepancyRecorded(_) | Event::OrphanRecorded(_) => {
                    self.discrepancies.inc();
                }
                Event::AttemptStarted(_)
                | Event::GatewayOperationAnswered(_)
                | Event::ResendScheduled(_)
                | Event::PaymentInDoubt(_)
                | Event::WalletFrozen(_)
                | Event::WalletUnfrozen(_)
                | Event::WalletClosed(_)
                | Event::LimitsSet(_)
                | Event::WithdrawalRecorded(_)
                | Event::DepositReversed(_)
                | Event::WithdrawalReversed(_)
                | Event::SuspenseBooked(_)
                | Event::AttemptAbandoned(_)
                | Event::PaymentReviewRequested(_)
                | Event::PaymentResolved(_)
                | Event::CancelRequested(_)
                | Event::PaymentCancelled(_)
                | Event::RefundResendScheduled(_)
                | Event::RefundInDoubt(_)
                | Event::RefundReviewRequested(_)
                | Event::RefundResolved(_)
                | Event::RefundSucceeded(_)
                | Event::RefundFailed(_)
                | Event::TransferRequested(_)
                | Event::TransferLegRequested(_)
                | Event::PolicyAdopted(_)
                | Event::OrphanApplied(_) => {}
            }
        }
    }

    fn note_untracked(&self, followed: Followed) {
        if followed == Followed::Untracked {
            self.untracked.inc();
        }
    }

    fn count_transfer(&self, event: &Event) {
        let step = match event {
            Event::TransferHeld(_) => 0,
            Event::TransferCredited(_) => 1,
            Event::TransferRefused(_) => 2,
            Event::TransferCompleted(_) => 3,
            Event::TransferFailed(_) => 4,
            _ => return,
        };
        self.transfers[step].inc();
    }

    fn count_input(&self, entry: &Entry) {
        let input = match &entry.input.body {
            InputBody::Command(_) => 0,
            InputBody::Operation(_) => 1,
            InputBody::GatewayResult(result) => {
                let operation = match result.operation {
                    GatewayOperationKind::Submit => 0,
                    GatewayOperationKind::Inquire => 1,
                    GatewayOperationKind::Refund => 2,
                    GatewayOperationKind::InquireRefund => 3,
                    GatewayOperationKind::Notify => 4,
                    GatewayOperationKind::NotifyRefund => 5,
                };
                self.results[operation][outcome_index(&result.outcome)].inc();
                2
            }
            InputBody::TimerFired {} => 3,
            InputBody::Unreadable(_) => 4,
            InputBody::TransferLeg(_) => 5,
        };
        let verdict = match entry.decision.verdict {
            Verdict::Accepted => 0,
            Verdict::Replayed => 1,
            Verdict::Refused => {
                self.refusals.count(&entry.decision.code);
                2
            }
        };
        self.inputs[input][verdict].inc();
    }

    fn wallet(&self, operation: usize, took: Duration) {
        let (count, duration) = &self.wallet_operations[operation];
        count.inc();
        duration.observe(took.as_secs_f64());
    }

    fn currency(&mut self, currency: Currency) -> &ByCurrency {
        if let Some(at) = self.currencies.iter().position(|known| known.currency == currency) {
            return &self.currencies[at];
        }
        let label = [currency.code()];
        self.currencies.push(ByCurrency {
            currency,
            amount: self.amounts.with_label_values(&label),
            balance: self.balances.with_label_values(&label),
            doubts: self.doubts.with_label_values(&label),
            money_in_doubt: self.money_in_doubt.with_label_values(&label),
            refund_doubts: self.refund_doubts.with_label_values(&label),
            refunds_in_doubt: self.refunds_in_doubt.with_label_values(&label),
        });
        &self.currencies[self.currencies.len() - 1]
    }

    /// Shows the gauges as the exposure has them.
    pub fn show(&mut self, exposure: &Exposure) {
        self.open.set(i64::try_from(exposure.open()).unwrap_or(i64::MAX));
        self.outstanding.set(exposure.outstanding);
        self.newest.set(exposure.newest.millis() / 1000);
        for (currency, totals) in &exposure.money {
            let gauges = self.currency(*currency);
            gauges.balance.set(totals.posted);
            gauges.doubts.set(totals.payments.count);
            gauges.money_in_doubt.set(totals.payments.minor);
            gauges.refund_doubts.set(totals.refunds.count);
            gauges.refunds_in_doubt.set(totals.refunds.minor);
        }
    }
}

/// The gateway that an entry begins to ask; none when it asks nobody.
fn gateway_of(entry: &Entry) -> Option<&GatewayName> {
    entry.events.iter().find_map(|event| match event {
        Event::AttemptStarted(attempt) => Some(&attempt.gateway),
        Event::WalletOpened(_)
        | Event::DepositRecorded(_)
        | Event::PaymentRequested(_)
        | Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::GatewayOperationRequested(_)
        | Event::GatewayOperationAnswered(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::PaymentCompleted(_)
        | Event::PaymentFailed(_)
        | Event::DiscrepancyRecorded(_)
        | Event::WalletFrozen(_)
        | Event::WalletUnfrozen(_)
        | Event::WalletClosed(_)
        | Event::LimitsSet(_)
        | Event::WithdrawalRecorded(_)
        | Event::DepositReversed(_)
        | Event::WithdrawalReversed(_)
        | Event::SuspenseBooked(_)
        | Event::AttemptAbandoned(_)
        | Event::PaymentReviewRequested(_)
        | Event::PaymentResolved(_)
        | Event::CancelRequested(_)
        | Event::PaymentCancelled(_)
        | Event::RefundRequested(_)
        | Event::RefundResendScheduled(_)
        | Event::RefundInDoubt(_)
        | Event::RefundReviewRequested(_)
        | Event::RefundResolved(_)
        | Event::RefundSucceeded(_)
        | Event::RefundFailed(_)
        | Event::TransferRequested(_)
        | Event::TransferHeld(_)
        | Event::TransferLegRequested(_)
        | Event::TransferCredited(_)
        | Event::TransferRefused(_)
        | Event::TransferCompleted(_)
        | Event::TransferFailed(_)
        | Event::PolicyAdopted(_)
        | Event::OrphanRecorded(_)
        | Event::OrphanApplied(_) => None,
    })
}

fn outcome_index(outcome: &GatewayOutcome) -> usize {
    match outcome {
        GatewayOutcome::Succeeded { .. } => 0,
        GatewayOutcome::Declined { .. } => 1,
        GatewayOutcome::NotSent { .. } => 2,
        GatewayOutcome::ExpiredUnsent {} => 3,
        GatewayOutcome::OutcomeUnknown { .. } => 4,
        GatewayOutcome::NotFound {} => 5,
    }
}
