//! Refunds at the simulator: booked once under their key, never more than the charge took.

use connectors::gateway::operation::{OperationKind, OperationRequest, Outcome};
use connectors::gateway::simulator::ground_truth::Charge;
use connectors::gateway::simulator::magic::MagicAmount;
use connectors::gateway::simulator::{InProcessGateway, Pace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Class, Running, again, class, raw_client, submit};

/// A refund of `charge`, which was answered with this reference.
fn refund(charge: &OperationRequest, reference: &str, amount_minor: i64) -> OperationRequest {
    OperationRequest {
        kind: OperationKind::Refund,
        payment_id: charge.payment_id,
        charge_reference: Some(reference.to_owned()),
        ..submit(amount_minor)
    }
}

fn inquiry(refund: &OperationRequest) -> OperationRequest {
    OperationRequest { kind: OperationKind::InquireRefund, ..again(refund) }
}

fn reference(outcome: &Outcome) -> String {
    let Outcome::Success { gateway_reference, .. } = outcome else { panic!("{outcome:?}") };
    gateway_reference.clone()
}

#[tokio::test]
async fn a_charge_is_given_back_in_parts_and_never_more_than_it_took() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let charge = submit(1_000);
    let charged = reference(&gateway.perform(&charge).await.outcome);
    let first = refund(&charge, &charged, 600);
    assert_eq!(gateway.perform(&inquiry(&first)).await.outcome, Outcome::NotFound);
    let answers = [
        gateway.perform(&first).await.outcome,
        gateway.perform(&again(&first)).await.outcome,
        gateway.perform(&inquiry(&first)).await.outcome,
    ];
    assert!(reference(&answers[0]).starts_with("re_"), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let altered = OperationRequest { amount_minor: 500, ..again(&first) };
    assert_eq!(class(&gateway.perform(&altered).await), Class::Unknown);

    let too_much = gateway.perform(&refund(&charge, &charged, 401)).await;
    let Outcome::Decline { code, .. } = &too_much.outcome else { panic!("{too_much:?}") };
    assert_eq!(code, "refund_exceeds_charge");
    assert_eq!(class(&gateway.perform(&refund(&charge, &charged, 400)).await), Class::Success);
    let more = gateway.perform(&refund(&charge, &charged, 1)).await;
    assert_eq!(class(&more), Class::Decline, "{more:?}");

    let url = running.url("/v1/ground-truth/refunds");
    let lines = raw_client().get(url).send().await.unwrap().text().await.unwrap();
    let refunds: Vec<Charge> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(refunds.iter().all(|refund| refund.charge.as_deref() == Some(charged.as_str())));
    assert_eq!(refunds.iter().map(|refund| refund.amount).collect::<Vec<_>>(), [600, 401, 400, 1]);
    let audit = raw_client().get(running.url("/admin/audit")).send().await.unwrap();
    let audit: Value = audit.json().await.unwrap();
    let expected = json!({
        "refunds": 4, "succeeded": 2, "declined": 2, "amounts": {"USD": 1_000},
        "keys_refunded_twice": 0,
    });
    assert_eq!(audit["refunds"], expected);
    assert_eq!(audit["audit"]["charges"], 1);

    // A restart forgets nothing of it.
    running.stop().await;
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    assert_eq!(gateway.perform(&again(&first)).await.outcome, answers[0]);
    let more = gateway.perform(&refund(&charge, &charged, 1)).await;
    assert_eq!(class(&more), Class::Decline, "{more:?}");
    running.stop().await;
}

#[tokio::test]
async fn what_was_not_charged_is_not_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let charge = submit(1_000);
    let charged = reference(&gateway.perform(&charge).await.outcome);
    let other = submit(1_000);
    let declined = submit(MagicAmount::DeclineDoNotHonor.ending());
    gateway.perform(&declined).await;
    let listed = running.ground_truth().await;
    let of_declined = &listed.iter().find(|c| c.amount == declined.amount_minor).unwrap().id;
    let rows = [
        refund(&charge, "ch_00000000000000000000000000000000", 1),
        refund(&charge, "nonsense", 1),
        refund(&other, &charged, 1),
        refund(&declined, of_declined, 1),
        OperationRequest { currency: "EUR".to_owned(), ..refund(&charge, &charged, 1) },
        OperationRequest { charge_reference: None, ..refund(&charge, &charged, 1) },
    ];
    for row in rows {
        let answer = gateway.perform(&row).await;
        assert_eq!(class(&answer), Class::NotSent, "{row:?} {answer:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn refunds_misbehave_by_their_amount_and_heal() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let charge = submit(100_000);
    let charged = reference(&gateway.perform(&charge).await.outcome);
    let rows = [
        (MagicAmount::DeclineDoNotHonor, [Class::Decline, Class::Decline]),
        (MagicAmount::ErrorAfterCharging, [Class::Unknown, Class::Success]),
        (MagicAmount::ResetBeforeCharging, [Class::Unknown, Class::Success]),
        (MagicAmount::RateLimitedOnce, [Class::NotSent, Class::Success]),
        (MagicAmount::ForeignBody, [Class::Unknown, Class::Success]),
    ];
    for (magic, expected) in rows {
        let refund = refund(&charge, &charged, magic.ending());
        for expected in expected {
            let answer = gateway.perform(&again(&refund)).await;
            assert_eq!(class(&answer), expected, "{magic:?} {answer:?}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn in_process_refunds_are_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = InProcessGateway::open(directory.path(), Pace::default()).unwrap();
    let charge = submit(1_000);
    let charged = reference(&gateway.perform(&charge).await.outcome);
    let first = refund(&charge, &charged, 600);
    assert_eq!(gateway.perform(&inquiry(&first)).await.outcome, Outcome::NotFound);
    let answer = gateway.perform(&first).await;
    assert_eq!(class(&answer), Class::Success, "{answer:?}");
    assert_eq!(gateway.perform(&first).await.outcome, answer.outcome);
    assert_eq!(gateway.perform(&inquiry(&first)).await.outcome, answer.outcome);
    assert_eq!(class(&gateway.perform(&refund(&charge, &charged, 401)).await), Class::Decline);
    let lost = OperationRequest { payment_id: Uuid::new_v4(), ..refund(&charge, &charged, 1) };
    assert_eq!(class(&gateway.perform(&lost).await), Class::NotSent);
}
