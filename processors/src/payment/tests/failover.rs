//! The next gateway, with a new attempt and a new key, and only after proof.

use std::collections::BTreeMap;

use schemas::inputs::{CommandBody, GatewayOutcome};
use schemas::{ErrorCode, GatewayName, OperationId};

use super::{HELD, assert_failed, assert_paid, proven_absent};
use crate::policy::GatewayRoute;
use crate::scenario::{
    NOT_FOUND, Scenario, failure_code, gateway, names, not_sent, pay, success, unknown,
};

/// A payment of 400 that may be sent once to each of two gateways.
fn with_two() -> Scenario {
    let mut scenario = Scenario::funded(1000);
    scenario.policy.gateways.push(gateway("second"));
    scenario.policy.payment.submits_limit = 1;
    scenario.pay("user", 400, "order");
    scenario
}

fn name(text: &str) -> GatewayName {
    text.parse().expect("valid")
}

/// Every key goes to one gateway only.
fn assert_keys_are_faithful(scenario: &Scenario) {
    let mut keys: BTreeMap<OperationId, GatewayName> = BTreeMap::new();
    for event in scenario.journal.iter().flat_map(|entry| &entry.events) {
        if let schemas::event::Event::GatewayOperationRequested(event) = event {
            let known = keys.entry(event.operation_id).or_insert_with(|| event.gateway.clone());
            assert_eq!(*known, event.gateway);
        }
    }
}

#[test]
fn proven_unsent_goes_to_the_next_gateway_with_a_new_key() {
    for outcome in [not_sent(), GatewayOutcome::ExpiredUnsent {}] {
        let mut scenario = with_two();
        let first = scenario.asked();
        let entry = scenario.answer_latest(outcome);
        let expected = ["Answered", "AttemptAbandoned", "AttemptStarted", "SubmitRequested"];
        assert_eq!(names(&entry), expected);
        assert_eq!(scenario.numbers("user"), HELD);
        let second = scenario.asked();
        assert_eq!(second.gateway, name("second"));
        assert_ne!(second.operation_id, first.operation_id);
        assert_eq!(second.operation_seq, 1);
        let entry = scenario.answer_latest(success(400));
        assert_paid(&scenario, &entry);
        assert_keys_are_faithful(&scenario);
    }
}

#[test]
fn the_first_gateway_is_sent_to_as_often_as_it_may_be_before_the_next() {
    let mut scenario = with_two();
    scenario.policy.payment.submits_limit = 2;
    assert_eq!(names(&scenario.answer_latest(not_sent())), ["Answered", "ResendScheduled"]);
    scenario.fire_next().expect("resend");
    assert_eq!(scenario.asked().gateway, name("simulator"));
    let entry = scenario.answer_latest(not_sent());
    assert_eq!(names(&entry)[1], "AttemptAbandoned");
    assert_keys_are_faithful(&scenario);
}

#[test]
fn when_every_gateway_was_tried_the_payment_fails() {
    let mut scenario = with_two();
    scenario.answer_latest(not_sent());
    let entry = scenario.answer_latest(not_sent());
    assert_failed(&scenario, &entry, ErrorCode::GatewayUnavailable);
}

#[test]
fn never_from_in_doubt() {
    let mut scenario = with_two();
    scenario.answer_latest(unknown());
    for outcome in [unknown(), NOT_FOUND] {
        scenario.fire_next().expect("inquiry");
        assert_eq!(names(&scenario.answer_latest(outcome)), ["Answered"]);
        assert_eq!(scenario.asked().gateway, name("simulator"));
    }
    assert_eq!(scenario.numbers("user"), HELD);
}

#[test]
fn proven_never_received_may_go_to_the_next_gateway() {
    let mut scenario = with_two();
    scenario.answer_latest(unknown());
    let entry = proven_absent(&mut scenario);
    assert_eq!(names(&entry)[1..], ["AttemptAbandoned", "AttemptStarted", "SubmitRequested"]);
    assert_eq!(scenario.asked().gateway, name("second"));
    assert_keys_are_faithful(&scenario);
}

#[test]
fn a_gateway_that_the_request_names_is_the_only_one() {
    let mut scenario = Scenario::funded(1000);
    scenario.policy.gateways.push(gateway("second"));
    scenario.policy.payment.submits_limit = 1;
    let mut command = pay("user", 400, "order");
    if let CommandBody::Pay(pay) = &mut command.body {
        pay.gateway = Some("second".to_owned());
    }
    scenario.command(command);
    assert_eq!(scenario.asked().gateway, name("second"));
    let entry = scenario.answer_latest(not_sent());
    assert_failed(&scenario, &entry, ErrorCode::GatewayUnavailable);
}

#[test]
fn routes_say_which_gateways_money_goes_to_and_in_which_order() {
    let route = |least, most, names: &[&str]| GatewayRoute {
        currency: Some(crate::scenario::usd()),
        least,
        most,
        gateways: names.iter().map(|text| name(text)).collect(),
    };
    let mut scenario = Scenario::funded(1000);
    scenario.policy.payment.submits_limit = 1;
    scenario.policy.gateways.push(gateway("second"));
    scenario.policy.gateways.push(gateway("third"));
    scenario.policy.routes = vec![
        route(0, Some(99), &["third"]),
        route(100, Some(500), &["second", "third"]),
        route(501, None, &[]),
    ];
    scenario.pay("user", 99, "small");
    assert_eq!(scenario.asked().gateway, name("third"));
    scenario.pay("user", 100, "large");
    assert_eq!(scenario.asked().gateway, name("second"));
    scenario.answer_latest(not_sent());
    assert_eq!(scenario.asked().gateway, name("third"));
    assert_eq!(failure_code(&scenario.answer_latest(not_sent())), "gateway_unavailable");
    assert_eq!(failure_code(&scenario.pay("user", 501, "none")), "gateway_unknown");
}

#[test]
fn after_the_total_deadline_no_gateway_is_tried() {
    let mut scenario = with_two();
    scenario.advance(scenario.policy.payment.total_deadline);
    let entry = scenario.answer_latest(not_sent());
    assert_failed(&scenario, &entry, ErrorCode::DeadlineExceeded);
}

#[test]
fn nothing_may_be_sent_after_the_total_deadline() {
    let mut scenario = with_two();
    scenario.advance(
        scenario.policy.payment.total_deadline.saturating_sub(std::time::Duration::from_secs(3)),
    );
    scenario.answer_latest(not_sent());
    let payment = &scenario.journal[2];
    let deadline = payment.at.plus(scenario.policy.payment.total_deadline);
    assert_eq!(scenario.asked().not_after, deadline);
}
