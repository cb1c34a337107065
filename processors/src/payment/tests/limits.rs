//! Limits of a wallet: each refuses by name, and gives room again when a payment ends.

use std::time::Duration;

use crate::scenario::{Scenario, decline, failure_code, limit, success};

fn limited(per_payment: Option<i64>, per_day: Option<i64>, in_flight: Option<i32>) -> Scenario {
    let mut scenario = Scenario::funded(1000);
    scenario.operation(limit("user", per_payment, per_day, in_flight));
    scenario
}

#[test]
fn one_payment() {
    let mut scenario = limited(Some(100), None, None);
    assert_eq!(failure_code(&scenario.pay("user", 101, "more")), "limit_exceeded");
    assert_eq!(failure_code(&scenario.pay("user", 100, "most")), "");
    assert_eq!(scenario.numbers("user"), (900, 1000, 100));
}

#[test]
fn the_payments_of_a_day() {
    let mut scenario = limited(None, Some(300), None);
    scenario.pay("user", 200, "a");
    scenario.answer_latest(success(200));
    assert_eq!(failure_code(&scenario.pay("user", 101, "b")), "limit_exceeded");
    scenario.pay("user", 100, "c");
    assert_eq!(failure_code(&scenario.pay("user", 1, "d")), "limit_exceeded");
    // What was not taken counts no more; what was taken less neither.
    scenario.answer_latest(decline());
    scenario.pay("user", 100, "e");
    scenario.answer_latest(success(40));
    assert_eq!(failure_code(&scenario.pay("user", 61, "f")), "limit_exceeded");
    assert_eq!(failure_code(&scenario.pay("user", 60, "g")), "");
    // The next day begins anew.
    scenario.advance(Duration::from_hours(24));
    assert_eq!(failure_code(&scenario.pay("user", 300, "h")), "");
}

#[test]
fn payments_under_way() {
    let mut scenario = limited(None, None, Some(2));
    scenario.pay("user", 1, "a");
    let a = scenario.asked();
    scenario.pay("user", 1, "b");
    assert_eq!(failure_code(&scenario.pay("user", 1, "c")), "limit_exceeded");
    scenario.answer(&a, success(1));
    assert_eq!(failure_code(&scenario.pay("user", 1, "d")), "");
    assert_eq!(failure_code(&scenario.pay("user", 1, "e")), "limit_exceeded");
}

#[test]
fn none_refuses_nothing_and_the_key_of_a_refused_payment_stays_failed() {
    let mut scenario = limited(Some(0), None, None);
    assert_eq!(failure_code(&scenario.pay("user", 1, "a")), "limit_exceeded");
    scenario.operation(limit("user", None, None, None));
    assert_eq!(failure_code(&scenario.pay("user", 1000, "b")), "");
    let again = scenario.pay("user", 1, "a");
    assert_eq!(again.decision.verdict, schemas::entry::Verdict::Replayed);
}
