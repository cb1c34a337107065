//! Attempts: one try at one gateway with one key, and what is known of it. Payments and refunds
//! have them; a refund's key is its id.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::event::{GatewayOperationRequested, Proof};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, GatewayResult};
use schemas::{GatewayName, OperationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::draft::DecideContext;
use crate::policy::{GatewayPolicy, InquiryKind, PaymentTimes};

/// One try at one gateway with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The attempt or the refund, and the key that the gateway got.
    pub operation_id: OperationId,
    /// Where.
    pub gateway: GatewayName,
    /// The latest operation asked for; 0 before the first.
    pub latest_seq: i32,
    /// The latest charge or refund asked for; 0 before the first.
    pub latest_submit: i32,
    /// How often it was asked to charge or to refund.
    pub submits: u32,
    /// How often it was asked what became of it, since it was last in doubt.
    pub inquiries: u32,
    /// Operations asked for and not answered yet.
    pub unanswered: BTreeSet<i32>,
    /// Charges or refunds that may have reached the gateway: not proven otherwise.
    pub maybe_sent: BTreeSet<i32>,
    /// When the first was asked for: the gateway remembers the key from then on.
    pub first_submitted_at: Timestamp,
    /// When a "not found" begins to prove something, for the latest.
    pub conclusive_after: Timestamp,
    /// The latest inquiry, and when it was asked.
    pub latest_inquiry: Option<(i32, Timestamp)>,
}

/// What is asked of a gateway, and until when.
pub(crate) struct Asked {
    pub operation_seq: i32,
    pub not_after: Timestamp,
    pub conclusive_after: Timestamp,
    /// Then nobody waits for the answer any more.
    pub answer_due: Timestamp,
}

impl Attempt {
    /// Whether the gateway may have moved money, for all that is known.
    pub fn may_have_sent(&self) -> bool {
        !self.maybe_sent.is_empty()
    }

    /// Whether an answer to the latest charge or refund is awaited.
    pub fn awaits_answer(&self) -> bool {
        self.unanswered.contains(&self.latest_submit)
    }

    /// An attempt before any operation.
    pub(crate) fn begun(operation_id: OperationId, gateway: GatewayName) -> Self {
        Self {
            operation_id,
            gateway,
            latest_seq: 0,
            latest_submit: 0,
            submits: 0,
            inquiries: 0,
            unanswered: BTreeSet::new(),
            maybe_sent: BTreeSet::new(),
            first_submitted_at: Timestamp::default(),
            conclusive_after: Timestamp::default(),
            latest_inquiry: None,
        }
    }

    /// The attempt once this operation was asked for.
    #[must_use]
    pub(crate) fn requested(mut self, event: &GatewayOperationRequested, at: Timestamp) -> Self {
        let seq = event.operation_seq;
        self.latest_seq = seq;
        self.unanswered.insert(seq);
        if event.operation.moves_money() {
            if self.submits == 0 {
                self.first_submitted_at = at;
            }
            self.submits += 1;
            self.latest_submit = seq;
            self.inquiries = 0;
            self.maybe_sent.insert(seq);
            self.conclusive_after = event.conclusive_after;
        } else {
            self.inquiries += 1;
            self.latest_inquiry = Some((seq, at));
        }
        self
    }

    /// The attempt once this operation was answered.
    #[must_use]
    pub(crate) fn answered(mut self, seq: i32, proof: Proof) -> Self {
        self.unanswered.remove(&seq);
        match proof {
            Proof::Nothing => {}
            Proof::NotSent => {
                self.maybe_sent.remove(&seq);
            }
            Proof::NeverReceived => self.maybe_sent.clear(),
        }
        self
    }

    /// The next operation, asked for now. One that moves money may not be sent after `deadline`.
    pub(crate) fn next(
        &self,
        operation: GatewayOperationKind,
        times: &PaymentTimes,
        deadline: Timestamp,
        ctx: &DecideContext<'_>,
    ) -> Asked {
        let (call_time, ingestion) = call_times(&self.gateway, ctx);
        let window_ends = ctx.at.plus(times.operation_window);
        let not_after =
            if operation.moves_money() { window_ends.min(deadline) } else { window_ends };
        let last_answer = not_after.plus(call_time);
        Asked {
            operation_seq: self.latest_seq + 1,
            not_after,
            conclusive_after: last_answer.plus(ingestion),
            answer_due: last_answer.plus(times.answer_grace),
        }
    }

    /// Whether a result names this attempt and one of its operations, or comes unasked.
    pub(crate) fn owns(&self, result: &GatewayResult) -> bool {
        let seqs = match result.operation {
            GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => 0..=0,
            GatewayOperationKind::Submit
            | GatewayOperationKind::Inquire
            | GatewayOperationKind::Refund
            | GatewayOperationKind::InquireRefund => 1..=self.latest_seq,
        };
        self.operation_id == result.operation_id
            && self.gateway == result.gateway
            && seqs.contains(&result.operation_seq)
    }

    /// Whether the gateway said it of its own accord.
    pub(crate) fn is_unasked(result: &GatewayResult) -> bool {
        result.operation_seq == 0
    }

    /// What an answer proves about what the gateway may have received.
    pub(crate) fn proof(
        &self,
        result: &GatewayResult,
        times: &PaymentTimes,
        ctx: &DecideContext<'_>,
    ) -> Proof {
        match (&result.outcome, result.operation.moves_money()) {
            (GatewayOutcome::NotSent { .. } | GatewayOutcome::ExpiredUnsent {}, true) => {
                Proof::NotSent
            }
            (GatewayOutcome::NotFound {}, false) if self.is_conclusive(result, times, ctx) => {
                Proof::NeverReceived
            }
            _ => Proof::Nothing,
        }
    }

    /// Whether "not found" proves that nothing of this attempt was received.
    fn is_conclusive(
        &self,
        result: &GatewayResult,
        times: &PaymentTimes,
        ctx: &DecideContext<'_>,
    ) -> bool {
        let Some(gateway) = ctx.policy.gateway(Some(&self.gateway)) else { return false };
        let Some((seq, asked_at)) = self.latest_inquiry else { return false };
        // A gateway that may have forgotten the key says "not found" of a charge, too.
        let latest_answer = asked_at.plus(times.operation_window).plus(gateway.maximum_call_time);
        let is_remembered = latest_answer < self.first_submitted_at.plus(gateway.key_retention);
        gateway.inquiry_of(result.operation) == InquiryKind::Authoritative
            && seq == result.operation_seq
            && asked_at > self.conclusive_after
            && is_remembered
    }

    /// Whether it was the latest inquiry that was answered.
    pub(crate) fn is_latest_inquiry(&self, result: &GatewayResult) -> bool {
        self.latest_inquiry.is_some_and(|(seq, _)| seq == result.operation_seq)
    }

    /// When it may be sent again.
    pub(crate) fn resend_due(&self, times: &PaymentTimes, ctx: &DecideContext<'_>) -> Timestamp {
        let doublings = self.submits.saturating_sub(1);
        ctx.at.plus(backoff(doublings, times.resend_backoff, times.resend_backoff_limit))
    }

    /// Whether it has been sent as often as it may be, or its key may be forgotten by the time at
    /// which the latest possible call of a resend ends.
    pub(crate) fn is_exhausted(
        &self,
        due: Timestamp,
        times: &PaymentTimes,
        ctx: &DecideContext<'_>,
    ) -> bool {
        let is_retained = ctx.policy.gateway(Some(&self.gateway)).is_some_and(|gateway| {
            let call_ends = due.plus(times.operation_window).plus(gateway.maximum_call_time);
            call_ends < self.first_submitted_at.plus(gateway.key_retention)
        });
        self.submits >= times.submits_limit || !is_retained
    }

    /// When it may be asked again what became of it.
    pub(crate) fn inquiry_due(&self, times: &PaymentTimes, ctx: &DecideContext<'_>) -> Timestamp {
        let wait = backoff(self.inquiries, times.inquiry_backoff, times.inquiry_backoff_limit);
        ctx.at.plus(wait)
    }

    /// Whether its gateway can be asked what became of a charge.
    pub(crate) fn can_be_asked(&self, ctx: &DecideContext<'_>) -> bool {
        self.answers(GatewayOperationKind::Inquire, ctx)
    }

    /// Whether its gateway can be asked what became of a refund.
    pub(crate) fn refund_can_be_asked(&self, ctx: &DecideContext<'_>) -> bool {
        self.answers(GatewayOperationKind::InquireRefund, ctx)
    }

    /// A gateway that is configured no longer is asked: its follower answers that nobody knows.
    fn answers(&self, inquiry: GatewayOperationKind, ctx: &DecideContext<'_>) -> bool {
        let gateway = ctx.policy.gateway(Some(&self.gateway));
        gateway.is_none_or(|gateway| gateway.inquiry_of(inquiry) != InquiryKind::None)
    }

    /// When a "not found" may prove something, after one that did not.
    pub(crate) fn conclusive_from(&self) -> Timestamp {
        self.conclusive_after.plus(JUST_AFTER)
    }
}

/// Shard time has a resolution of one millisecond; this is the next one.
const JUST_AFTER: Duration = Duration::from_millis(1);

/// Maximum call time and ingestion window of a gateway. One that is configured no longer gets the
/// longest of those that are: waiting longer is always safe.
fn call_times(gateway: &GatewayName, ctx: &DecideContext<'_>) -> (Duration, Duration) {
    let times = |policy: &GatewayPolicy| (policy.maximum_call_time, policy.ingestion_window);
    let longest = |all: &[GatewayPolicy]| {
        let call = all.iter().map(|one| one.maximum_call_time).max().unwrap_or_default();
        (call, all.iter().map(|one| one.ingestion_window).max().unwrap_or_default())
    };
    ctx.policy.gateway(Some(gateway)).map_or_else(|| longest(&ctx.policy.gateways), times)
}

/// `first` doubled so many times, at most `limit`.
pub(crate) fn backoff(doublings: u32, first: Duration, limit: Duration) -> Duration {
    2u32.checked_pow(doublings)
        .and_then(|factor| first.checked_mul(factor))
        .unwrap_or(limit)
        .min(limit)
}
