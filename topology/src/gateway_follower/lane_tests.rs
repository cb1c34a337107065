//! Tables: what waits for a gateway, and what its lane lets through when.

use super::*;
use schemas::inputs::GatewayOperationKind;
use schemas::{Amount, Partition};

/// A lane, what is outstanding, and a clock.
struct World {
    lane: Lane,
    outstanding: Outstanding,
    now: Instant,
}

fn request(seq: i32, not_after: i64, operation: GatewayOperationKind) -> GatewayOperationRequested {
    let id = "8b0a3c39-3d0a-8c1e-9f00-000000000001";
    GatewayOperationRequested {
        payment_id: id.parse().expect("an id"),
        wallet_id: id.parse().expect("an id"),
        operation_id: id.parse().expect("an id"),
        operation_seq: seq,
        operation,
        gateway: "simulator".parse().expect("a name"),
        amount: Amount::try_from(100).expect("an amount"),
        currency: "USD".parse().expect("a currency"),
        not_after: Timestamp::from_millis(not_after),
        conclusive_after: Timestamp::from_millis(not_after),
        correlation_id: String::new(),
        refund: None,
    }
}

impl World {
    fn new(limit: usize) -> Self {
        let now = Instant::now();
        Self {
            lane: Lane::new(limit, BreakerLimits::default(), now),
            outstanding: Outstanding::default(),
            now,
        }
    }

    fn ask(&mut self, seq: i32, not_after: i64, operation: GatewayOperationKind) {
        self.ask_as(seq, not_after, operation, Provenance::Fresh);
    }

    fn ask_as(&mut self, seq: i32, not_after: i64, kind: GatewayOperationKind, of: Provenance) {
        let request = request(seq, not_after, kind);
        self.outstanding.ask(Partition::new(0).expect("valid"), &request);
        self.lane.push(&request, of, None);
    }

    /// The sequence of the next call, and its permit.
    fn call(&mut self) -> Option<(i32, Permit)> {
        match self.lane.next(&self.outstanding, self.now) {
            Next::Call(turn, permit) => Some((turn.request.operation_seq, permit)),
            Next::Wait(_) => None,
        }
    }

    /// Makes the next call, which the gateway answers like this.
    fn answered(&mut self, health: Health) -> Option<i32> {
        let (seq, permit) = self.call()?;
        self.lane.leave(permit, Some(health), self.now);
        Some(seq)
    }

    /// Calls that the gateway answers ill, until it is left alone.
    fn break_it(&mut self) {
        let mut seq = 0;
        while self.lane.breaker(self.now) == BreakerState::Closed {
            seq += 1;
            self.ask(seq, 0, GatewayOperationKind::Inquire);
            assert_eq!(self.answered(Health::Ill), Some(seq));
        }
        assert!(matches!(self.lane.breaker(self.now), BreakerState::Open { .. }));
    }
}

#[test]
fn a_full_bulkhead_lets_nothing_through_until_somebody_leaves() {
    let mut world = World::new(2);
    for seq in 1..=3 {
        world.ask(seq, i64::from(seq), GatewayOperationKind::Inquire);
    }
    let (first, permit) = world.call().expect("room");
    let (second, _) = world.call().expect("room");
    assert_eq!((first, second), (1, 2), "whoever must be called soonest is first");
    assert_eq!(world.call(), None);
    assert_eq!((world.lane.under_way(), world.lane.waiting()), (2, 1));
    world.lane.leave(permit, Some(Health::Well), world.now);
    assert_eq!(world.call().map(|(seq, _)| seq), Some(3));
    assert_eq!(world.lane.next(&world.outstanding, world.now), Next::Wait(None));
}

#[test]
fn an_open_breaker_keeps_everything_where_it_is_and_half_open_sends_one_probe() {
    let mut world = World::new(10);
    world.break_it();
    for seq in 101..=103 {
        world.ask(seq, i64::from(seq), GatewayOperationKind::Submit);
        // Nobody is told "not sent": it waits.
        world.ask(seq + 100, 1_000, GatewayOperationKind::Inquire);
    }
    let Next::Wait(Some(until)) = world.lane.next(&world.outstanding, world.now) else {
        panic!("it waits for the breaker");
    };
    assert_eq!(world.lane.waiting(), 6);
    world.now = until;
    let (_, probe) = world.call().expect("a probe");
    assert!(matches!(probe.pass, Pass::Probe(_)));
    assert_eq!(world.call(), None, "one at a time");
    world.lane.leave(probe, Some(Health::Ill), world.now);
    assert!(world.answered(Health::Ill).is_some(), "one of three says little");
    assert_eq!(world.call(), None, "open again");
    world.now += BreakerLimits::default().open_at_most;
    for _ in 0..BreakerLimits::default().probes_needed {
        assert!(world.answered(Health::Well).is_some());
    }
    assert_eq!(world.lane.breaker(world.now), BreakerState::Closed);
}

#[test]
fn a_probe_that_was_not_called_is_given_back() {
    let mut world = World::new(10);
    world.break_it();
    world.ask(101, 0, GatewayOperationKind::Inquire);
    world.ask(102, 0, GatewayOperationKind::Inquire);
    world.now += BreakerLimits::default().open_at_first;
    let (_, probe) = world.call().expect("a probe");
    world.lane.leave(probe, None, world.now);
    assert!(
        matches!(world.call(), Some((_, Permit { pass: Pass::Probe(_), .. }))),
        "the next one is the probe"
    );
}

#[test]
fn what_is_past_its_last_moment_comes_out_also_while_the_breaker_is_open() {
    let mut world = World::new(10);
    world.break_it();
    world.ask(101, 10, GatewayOperationKind::Submit);
    world.ask(102, 20, GatewayOperationKind::Submit);
    let at = Timestamp::from_millis;
    assert_eq!(world.lane.first_not_after(), Some(at(10)));
    assert!(world.lane.next_too_late(&world.outstanding, at(10)).is_none());
    let late = world.lane.next_too_late(&world.outstanding, at(11)).expect("too late");
    assert_eq!(late.request.operation_seq, 101);
    assert_eq!(world.lane.next_too_late(&world.outstanding, at(11)), None);
}

#[test]
fn resends_beyond_the_budget_wait_and_hold_nobody_up() {
    let mut world = World::new(10_000);
    let burst = i32::try_from(RetryLimits::default().burst).expect("small");
    for seq in 2..=burst + 2 {
        world.ask(seq, 1, GatewayOperationKind::Submit);
    }
    let permits: Vec<_> = (0..burst).map(|_| world.call().expect("it is paid for").1).collect();
    let Next::Wait(Some(until)) = world.lane.next(&world.outstanding, world.now) else {
        panic!("the last resend cannot be paid for");
    };
    // First tries and inquiries pass by it.
    world.ask(1, 2, GatewayOperationKind::Submit);
    world.ask(1_001, 3, GatewayOperationKind::Inquire);
    assert_eq!(world.answered(Health::Well), Some(1));
    assert_eq!(world.answered(Health::Well), Some(1_001));
    assert_eq!(world.answered(Health::Well), None);
    world.now = until;
    let (_, paid_by_time) = world.call().expect("time pays");
    world.ask(burst + 3, 4, GatewayOperationKind::Submit);
    world.ask(burst + 4, 4, GatewayOperationKind::Submit);
    world.lane.leave(paid_by_time, Some(Health::Ill), world.now);
    assert_eq!(world.call(), None, "what is answered ill has cost a resend");
    world.lane.leave(permits[0], Some(Health::Well), world.now);
    assert!(world.call().is_some(), "what is answered well is paid back");
    world.lane.leave(permits[1], None, world.now);
    assert!(world.call().is_some(), "and so is what was not called");
}

#[test]
fn what_may_have_been_sent_before_is_a_resend() {
    use GatewayOperationKind::{Inquire, Refund, Submit};
    use Provenance::{Fresh, Inherited};
    let rows = [
        (Submit, 1, Fresh, false),
        (Submit, 1, Inherited, true),
        (Submit, 2, Fresh, true),
        (Refund, 1, Fresh, false),
        (Refund, 3, Fresh, true),
        (Inquire, 2, Fresh, false),
        (Inquire, 2, Inherited, false),
    ];
    for (operation, seq, provenance, expected) in rows {
        let found = is_resend(&request(seq, 0, operation), provenance);
        assert_eq!(found, expected, "{operation:?} {seq} {provenance:?}");
    }
}
