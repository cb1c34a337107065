//! What a gateway tells of a refund before it is asked, or before it answers.

use schemas::entry::Verdict;
use schemas::inputs::GatewayOutcome;

use super::{doubted, in_review, numbers, refundable, requested};
use crate::scenario::{NOT_FOUND, decline, names, not_sent, success, unknown, wallet_of};

#[test]
fn the_first_success_may_come_unasked_wherever_the_refund_stands() {
    for mut scenario in [requested(), doubted(), in_review()] {
        let mut asked = scenario.asked();
        // Who hears a gateway unasked may not know the wallet.
        asked.wallet_id = wallet_of("other");
        let entry = scenario.notify(&asked, success(150));
        assert_eq!(names(&entry), ["RefundSucceeded"]);
        assert_eq!((numbers(&scenario), refundable(&scenario)), ((750, 750, 0), 250));
        assert!(scenario.timers.is_empty());
        assert_eq!(scenario.notify(&asked, success(150)).decision.verdict, Verdict::Replayed);
    }
    // The answer itself says nothing new.
    let mut scenario = requested();
    let asked = scenario.asked();
    scenario.notify(&asked, success(150));
    assert_eq!(names(&scenario.answer(&asked, success(150))), ["Answered"]);
    assert_eq!((numbers(&scenario), refundable(&scenario)), ((750, 750, 0), 250));
}

#[test]
fn each_outcome_that_is_told_first_by_the_gateway() {
    let euros = GatewayOutcome::Succeeded {
        gateway_reference: "re_1".to_owned(),
        amount: 150,
        currency: "EUR".to_owned(),
    };
    let nothing: &[&str] = &[];
    let open = (600, 600, 150);
    let rows = [
        (success(100), &["DiscrepancyRecorded", "RefundSucceeded"][..], (700, 700, 0), 0),
        (
            success(170),
            &["DiscrepancyRecorded", "SuspenseBooked", "RefundSucceeded"],
            (750, 750, 0),
            20,
        ),
        (euros, &["DiscrepancyRecorded", "RefundReviewRequested"], open, 0),
        (success(0), &["DiscrepancyRecorded", "RefundReviewRequested"], open, 0),
        (decline(), &["RefundFailed"], (600, 600, 0), 0),
        // Nothing was asked, so nothing is proven and nothing ends.
        (unknown(), nothing, open, 0),
        (not_sent(), nothing, open, 0),
        (GatewayOutcome::ExpiredUnsent {}, nothing, open, 0),
        (NOT_FOUND, nothing, open, 0),
    ];
    for begin in [requested, doubted] {
        for (outcome, events, expected, suspended) in &rows {
            let mut scenario = begin();
            let asked = scenario.asked();
            let entry = scenario.notify(&asked, outcome.clone());
            assert_eq!(names(&entry), *events, "{outcome:?}");
            assert_eq!(numbers(&scenario), *expected, "{outcome:?}");
            assert_eq!(scenario.suspense(), *suspended, "{outcome:?}");
            assert_eq!(scenario.timers.is_empty(), expected.2 == 0, "{outcome:?}");
        }
    }
}

#[test]
fn a_success_after_a_decline_that_was_told_first_is_late() {
    let mut scenario = requested();
    let asked = scenario.asked();
    scenario.notify(&asked, decline());
    let entry = scenario.answer(&asked, success(150));
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded", "RefundSucceeded"]);
    assert_eq!((numbers(&scenario), refundable(&scenario)), ((750, 750, 0), 250));
}
