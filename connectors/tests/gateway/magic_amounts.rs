//! Each magic amount misbehaves as documented, and heals.

use std::time::Instant;

use connectors::gateway::operation::{OperationAnswer, OperationRequest, Outcome};
use connectors::gateway::simulator::InProcessGateway;
use connectors::gateway::simulator::ground_truth::{ChargeStatus, FILE_NAME, GroundTruthError};
use connectors::gateway::simulator::magic::MagicAmount;

use crate::harness::{Class, IMPATIENT, PACE, PATIENT, Running, class, inquiry, submit, until};

/// What the first submission, the inquiry after it and the second submission with the same key are
/// to be; and how many charges there are after the first.
type Expected = (Class, Class, Class, usize);

fn expected(magic: MagicAmount) -> Option<Expected> {
    use Class::{Decline, NotFound, NotSent, Success, Unknown};
    use MagicAmount as M;
    Some(match magic {
        M::DeclineInsufficientFunds | M::DeclineExpiredCard | M::DeclineDoNotHonor => {
            (Decline, Decline, Decline, 1)
        }
        M::Slow => (Success, Success, Success, 1),
        M::ErrorAfterCharging
        | M::TimeoutAfterCharging
        | M::ResetAfterCharging
        | M::MalformedBody
        | M::ForeignBody => (Unknown, Success, Success, 1),
        M::UnavailableOnce
        | M::TimeoutWithoutCharging
        | M::ResetBeforeCharging
        | M::ProxyPage
        | M::RateLimitedByProxy => (Unknown, NotFound, Success, 0),
        M::RateLimitedOnce | M::UnauthorizedOnce => (NotSent, NotFound, Success, 0),
        // These have tests of their own.
        M::VerySlow | M::UnavailableTwice | M::TimeoutThenInquiriesFail => return None,
    })
}

async fn check_magic(running: &Running, magic: MagicAmount, expected: Expected) {
    let (first, inquired, second, charges) = expected;
    let gateway = running.gateway();
    let operation = submit(70_000 + magic.ending());
    let silent =
        matches!(magic, MagicAmount::TimeoutAfterCharging | MagicAmount::TimeoutWithoutCharging);
    let call_timeout = if silent { IMPATIENT } else { PATIENT };

    let answer = gateway.perform(&OperationRequest { call_timeout, ..operation.clone() }).await;
    assert_eq!(class(&answer), first, "{magic:?} {answer:?}");
    // A silent call may have been given up before the simulator had read it.
    let settled = |answer: &OperationAnswer| !silent || class(answer) == inquired;
    let answer = until(&gateway, &inquiry(&operation), settled).await;
    assert_eq!(class(&answer), inquired, "{magic:?} {answer:?}");
    assert_eq!(running.charges_of(&operation).await.len(), charges, "{magic:?}");

    let answer = gateway.perform(&operation).await;
    assert_eq!(class(&answer), second, "{magic:?} {answer:?}");
    if let Outcome::Success { amount_minor, currency, .. } = &answer.outcome {
        assert_eq!((*amount_minor, currency.as_str()), (operation.amount_minor, "USD"));
    }
    let status = match second {
        Class::Decline => ChargeStatus::Declined,
        Class::Success | Class::NotSent | Class::Unknown | Class::NotFound => {
            ChargeStatus::Succeeded
        }
    };
    assert_eq!(running.charges_of(&operation).await, [status], "{magic:?}");
    let answer = gateway.perform(&inquiry(&operation)).await;
    assert_eq!(class(&answer), second, "{magic:?} {answer:?}");
}

#[tokio::test]
async fn every_magic_amount_misbehaves_as_documented_and_heals() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    for magic in MagicAmount::all() {
        if let Some(expected) = expected(magic) {
            check_magic(&running, magic, expected).await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn without_http_every_magic_amount_comes_to_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = InProcessGateway::open(directory.path(), PACE).unwrap();
    let charged = || {
        let file = directory.path().join(FILE_NAME);
        std::fs::read_to_string(file).unwrap().lines().count()
    };
    for magic in MagicAmount::all() {
        let Some((first, inquired, second, wanted)) = expected(magic) else { continue };
        let operation = submit(70_000 + magic.ending());
        let before = charged();
        let hurried = OperationRequest { call_timeout: PACE.short * 2, ..operation.clone() };
        let answer = gateway.perform(&hurried).await;
        assert_eq!(class(&answer), first, "{magic:?} {answer:?}");
        assert_eq!(charged() - before, wanted, "{magic:?}");
        let answer = gateway.perform(&inquiry(&operation)).await;
        assert_eq!(class(&answer), inquired, "{magic:?} {answer:?}");
        for again in [&operation, &inquiry(&operation), &operation] {
            let answer = gateway.perform(again).await;
            assert_eq!(class(&answer), second, "{magic:?} {answer:?}");
        }
        assert_eq!(charged() - before, 1, "{magic:?}");
    }
    let used = InProcessGateway::open(directory.path(), PACE).unwrap_err();
    assert!(matches!(used, GroundTruthError::Locked { .. }), "{used}");
}

#[tokio::test]
async fn without_http_a_charge_under_way_is_in_use_until_it_is_booked() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = InProcessGateway::open(directory.path(), PACE).unwrap();
    let operation = submit(MagicAmount::VerySlow.ending());
    let hurried = OperationRequest { call_timeout: PACE.short, ..operation.clone() };
    for tried in [&hurried, &inquiry(&operation), &hurried] {
        assert_eq!(class(&gateway.perform(tried).await), Class::Unknown);
    }
}

#[tokio::test]
async fn a_slow_answer_comes_after_the_pause() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let begun = Instant::now();
    let answer = running.gateway().perform(&submit(MagicAmount::Slow.ending())).await;
    assert_eq!(class(&answer), Class::Success);
    assert!(begun.elapsed() >= PACE.short);
    running.stop().await;
}

#[tokio::test]
async fn two_failures_in_a_row_heal_at_the_third_try() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let operation = submit(MagicAmount::UnavailableTwice.ending());
    for expected in [Class::Unknown, Class::Unknown, Class::Success, Class::Success] {
        assert_eq!(class(&gateway.perform(&operation).await), expected);
    }

    let operation = submit(MagicAmount::TimeoutThenInquiriesFail.ending());
    let silent = OperationRequest { call_timeout: IMPATIENT, ..operation.clone() };
    assert_eq!(class(&gateway.perform(&silent).await), Class::Unknown);
    let mut failures = 0;
    loop {
        match class(&gateway.perform(&inquiry(&operation)).await) {
            Class::Unknown => failures += 1,
            Class::Success => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(failures, 2);
    running.stop().await;
}

#[tokio::test]
async fn a_charge_under_way_is_in_use_and_is_finished_by_a_graceful_stop() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let operation = submit(MagicAmount::VerySlow.ending());
    let impatient = OperationRequest { call_timeout: IMPATIENT, ..operation.clone() };
    assert_eq!(class(&gateway.perform(&impatient).await), Class::Unknown);

    let in_use = |answer: &OperationAnswer| {
        matches!(&answer.outcome, Outcome::Unknown { reason }
            if reason == "HTTP 409, idempotency_key_in_use")
    };
    until(&gateway, &inquiry(&operation), in_use).await;
    assert!(in_use(&gateway.perform(&operation).await));
    assert_eq!(running.charges_of(&operation).await, []);
    running.stop().await;

    let running = Running::start(directory.path()).await;
    let answer = running.gateway().perform(&inquiry(&operation)).await;
    assert_eq!(class(&answer), Class::Success);
    running.stop().await;
}
