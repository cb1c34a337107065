//! One gateway's operations: what waits for it, and which of them may be called now.
//!
//! Three things say "not now": as many calls are under way as may be, the breaker is open, or a
//! resend cannot be paid for. None of them is an answer: an operation stays here, outstanding,
//! until it may be called or its time has passed. First tries and inquiries go before resends that
//! cannot be paid for; otherwise whoever must be called soonest is called first.
//!
//! Pure: the clock is handed in. Invariant: whoever was granted a call leaves exactly once.

use std::time::Duration;

use bytes::Bytes;
use connectors::gateway::breaker::{Breaker, BreakerLimits, BreakerState, Pass, Permission};
use connectors::gateway::classification::Health;
use connectors::gateway::retry_budget::{RetryBudget, RetryLimits};
use schemas::Timestamp;
use schemas::event::GatewayOperationRequested;
use tokio::time::Instant;

use super::answer::Provenance;
use super::outstanding::Outstanding;
use super::waiting::{Turn, Waiting};

/// When a resend that cannot be paid for is looked at again: time pays for one in so long.
const UNPAID_PAUSE: Duration = Duration::from_millis(100);

/// What waits for a gateway, and what keeps it from being called.
#[derive(Debug)]
pub struct Lane {
    first_tries: Waiting,
    /// What may have been sent before, and moves money.
    resends: Waiting,
    breaker: Breaker,
    budget: RetryBudget,
    under_way: usize,
    limit: usize,
}

/// What a call was let through with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    pass: Pass,
    /// Whether the retry budget paid for it.
    is_paid: bool,
}

/// What a lane has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Call this; then [`Lane::leave`] with the permit.
    Call(Box<Turn>, Permit),
    /// Nothing now; maybe at this time, if nobody leaves and nothing comes before.
    Wait(Option<Instant>),
}

impl Lane {
    /// An empty lane of a gateway that so many calls may go to.
    pub fn new(limit: usize, breaker: BreakerLimits, now: Instant) -> Self {
        Self {
            first_tries: Waiting::default(),
            resends: Waiting::default(),
            breaker: Breaker::new(breaker),
            budget: RetryBudget::new(RetryLimits::default(), now),
            under_way: 0,
            limit,
        }
    }

    /// Lets an operation wait for its turn.
    pub fn push(
        &mut self,
        request: &GatewayOperationRequested,
        provenance: Provenance,
        trace: Option<Bytes>,
    ) {
        let waiting =
            if is_resend(request, provenance) { &mut self.resends } else { &mut self.first_tries };
        waiting.push(request, provenance, trace);
    }

    /// The next call, if one may be made now.
    pub fn next(&mut self, outstanding: &Outstanding, now: Instant) -> Next {
        if self.is_empty() || self.under_way >= self.limit {
            return Next::Wait(None);
        }
        let pass = match self.breaker.may_call(now) {
            Permission::Granted(pass) => pass,
            Permission::Withheld { until } => return Next::Wait(Some(until)),
        };
        if let Some(turn) = self.take(outstanding, now) {
            self.under_way += 1;
            let is_paid = is_resend(&turn.request, turn.provenance);
            return Next::Call(Box::new(turn), Permit { pass, is_paid });
        }
        self.breaker.give_back(pass);
        Next::Wait((!self.is_empty()).then(|| now + UNPAID_PAUSE))
    }

    /// A call has ended; `heard` is what it said of the gateway, none when nothing was called.
    pub fn leave(&mut self, permit: Permit, heard: Option<Health>, now: Instant) {
        self.under_way -= 1;
        match heard {
            Some(health) => self.breaker.record(permit.pass, health, now),
            None => self.breaker.give_back(permit.pass),
        }
        // A gateway that does its work may be sent all that waits, as fast as it answers.
        if permit.is_paid && heard != Some(Health::Ill) {
            self.budget.pay_back();
        }
    }

    /// An operation that is still owed an answer and whose time has passed.
    pub fn next_too_late(&mut self, outstanding: &Outstanding, now: Timestamp) -> Option<Turn> {
        let first = self.first_tries.next_too_late(outstanding, now);
        first.or_else(|| self.resends.next_too_late(outstanding, now))
    }

    /// The earliest last moment of what waits.
    pub fn first_not_after(&self) -> Option<Timestamp> {
        let both = [self.first_tries.first_not_after(), self.resends.first_not_after()];
        both.into_iter().flatten().min()
    }

    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.first_tries.is_empty() && self.resends.is_empty()
    }

    /// How many operations wait.
    pub fn waiting(&self) -> usize {
        self.first_tries.len() + self.resends.len()
    }

    /// How many calls are under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many may be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the gateway is called.
    pub fn breaker(&self, now: Instant) -> BreakerState {
        self.breaker.state(now)
    }

    fn take(&mut self, outstanding: &Outstanding, now: Instant) -> Option<Turn> {
        let first = self.first_tries.first_not_after();
        let is_urgent = |resend| first.is_none_or(|first| resend < first);
        if self.resends.first_not_after().is_some_and(is_urgent)
            && let Some(turn) = self.take_resend(outstanding, now)
        {
            return Some(turn);
        }
        if let Some(turn) = self.first_tries.next(outstanding) {
            if turn.request.operation.moves_money() {
                self.budget.note_first_try(now);
            }
            return Some(turn);
        }
        self.take_resend(outstanding, now)
    }

    /// A resend, if there is one and it can be paid for.
    fn take_resend(&mut self, outstanding: &Outstanding, now: Instant) -> Option<Turn> {
        if self.budget.left(now) == 0 {
            return None;
        }
        let turn = self.resends.next(outstanding)?;
        self.budget.may_resend(now);
        Some(turn)
    }
}

/// Whether it makes a gateway do again what it may have done already.
fn is_resend(request: &GatewayOperationRequested, provenance: Provenance) -> bool {
    request.operation.moves_money()
        && (request.operation_seq > 1 || provenance == Provenance::Inherited)
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
