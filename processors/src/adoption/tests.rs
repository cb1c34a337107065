//! The rows of adoptions: a version once, each changed setting as a version of its own.

use std::time::Duration;

use schemas::ErrorCode;
use schemas::entry::Verdict;
use schemas::event::{Event, PolicyAdopted};

use super::MAX_CONFIGURATION_BYTES;
use crate::policy::{GatewayRoute, InquiryKind, PlaintextRule, Policy};
use crate::scenario::{Scenario, adopt, failure_code, gateway, policy};
use crate::state::ReadLedger;
use crate::{MemoryLedger, evolve, key_of};

fn adopted(scenario: &Scenario) -> i64 {
    scenario.ledger.adopted_policy().expect("memory")
}

/// To the ledger a configuration is a text; only its version says whether it is another one.
fn text_of(policy: &Policy) -> String {
    format!("{policy:?}")
}

#[test]
fn the_entry_carries_version_and_configuration_and_moves_nothing() {
    let mut scenario = Scenario::funded(1000);
    assert_eq!(adopted(&scenario), 0);
    let entry = scenario.operation(adopt(7, "{}"));
    let event = PolicyAdopted { version: 7, configuration: "{}".to_owned() };
    assert_eq!(entry.events, [Event::PolicyAdopted(event)]);
    assert_eq!((entry.decision.verdict, entry.policy_version), (Verdict::Accepted, 1));
    assert!(entry.postings.is_empty() && entry.balances.is_empty() && entry.timers.is_empty());
    assert_eq!(key_of(&entry), "");
    assert_eq!(adopted(&scenario), 7);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
}

#[test]
fn what_is_no_configuration_is_refused() {
    let longest = "x".repeat(MAX_CONFIGURATION_BYTES);
    let too_long = format!("{longest}x");
    let rows: [(i64, &str, bool); 7] = [
        (0, "{}", false),
        (-1, "{}", false),
        (i64::MIN, "{}", false),
        (1, "", false),
        (1, &too_long, false),
        (1, &longest, true),
        (i64::MAX, "x", true),
    ];
    for (version, configuration, is_taken) in rows {
        let mut scenario = Scenario::new();
        let entry = scenario.operation(adopt(version, configuration));
        let code = if is_taken { "" } else { ErrorCode::FieldInvalid.code() };
        assert_eq!(entry.decision.code, code, "{version}, {} bytes", configuration.len());
        assert_eq!(adopted(&scenario), if is_taken { version } else { 0 });
    }
}

#[test]
fn the_version_that_was_adopted_last_is_a_replay_and_an_earlier_one_is_adopted_again() {
    // The same version with another text would be the same configuration written otherwise.
    let rows = [
        (7, "{}", Verdict::Accepted),
        (7, "{}", Verdict::Replayed),
        (7, "{ }", Verdict::Replayed),
        (8, "{}", Verdict::Accepted),
        (0, "{}", Verdict::Refused),
        (8, "{}", Verdict::Replayed),
        (7, "{}", Verdict::Accepted),
    ];
    let mut scenario = Scenario::new();
    for (number, (version, configuration, verdict)) in rows.into_iter().enumerate() {
        let entry = scenario.operation(adopt(version, configuration));
        assert_eq!(entry.decision.verdict, verdict, "row {number}");
    }
    assert_eq!(adopted(&scenario), 7);
    let mut folded = MemoryLedger::default();
    for entry in &scenario.journal {
        evolve(&mut folded, entry).expect("a journal folds");
    }
    assert_eq!(folded, scenario.ledger);
}

fn route() -> GatewayRoute {
    GatewayRoute { currency: None, least: 0, most: None, gateways: Vec::new() }
}

type Change = fn(&mut Policy);

/// Each setting, changed in what the rows above it left.
const CHANGES: [(&str, Change); 27] = [
    ("a route", |p| p.routes.push(route())),
    ("its currency", |p| p.routes[0].currency = Some(crate::scenario::usd())),
    ("its least", |p| p.routes[0].least = 1),
    ("its most", |p| p.routes[0].most = Some(1)),
    ("its gateways", |p| p.routes[0].gateways.push(gateway("second").name)),
    ("partitions", |p| p.partitions = 2.try_into().expect("valid")),
    ("plaintext", |p| p.plaintext = PlaintextRule::Refused),
    ("a gateway more", |p| p.gateways.push(gateway("second"))),
    ("their order", |p| p.gateways.reverse()),
    ("gateway: name", |p| p.gateways[0].name = gateway("third").name),
    ("gateway: key retention", |p| p.gateways[0].key_retention *= 2),
    ("gateway: call time", |p| p.gateways[0].maximum_call_time *= 2),
    ("gateway: ingestion", |p| p.gateways[0].ingestion_window *= 2),
    ("gateway: inquiry", |p| p.gateways[0].inquiry = InquiryKind::Advisory),
    ("gateway: refund inquiry", |p| p.gateways[0].refund_inquiry = InquiryKind::None),
    ("operation window", |p| p.payment.operation_window *= 2),
    ("answer grace", |p| p.payment.answer_grace *= 2),
    ("resend back-off", |p| p.payment.resend_backoff *= 2),
    ("resend back-off limit", |p| p.payment.resend_backoff_limit *= 2),
    ("submits limit", |p| p.payment.submits_limit += 1),
    ("inquiry back-off", |p| p.payment.inquiry_backoff *= 2),
    ("inquiry back-off limit", |p| p.payment.inquiry_backoff_limit *= 2),
    ("total deadline", |p| p.payment.total_deadline *= 2),
    ("review", |p| p.payment.review_after *= 2),
    ("review inquiries", |p| p.payment.review_inquiry_interval *= 2),
    ("refund", |p| p.refund.review_after += Duration::from_millis(1)),
    ("transfer", |p| p.transfer = crate::policy::TransferTimes::default()),
];

#[test]
fn each_changed_setting_is_another_version_and_an_unchanged_one_is_not() {
    let mut scenario = Scenario::new();
    let mut now = policy().versioned();
    assert!(!scenario.operation(adopt(now.version, &text_of(&now))).events.is_empty());
    for (name, change) in CHANGES {
        // The version itself is no setting.
        let same = Policy { version: 1, ..now.clone() }.versioned();
        assert_eq!(same, now, "{name}");
        let entry = scenario.operation(adopt(same.version, &text_of(&same)));
        assert_eq!(entry.decision.verdict, Verdict::Replayed, "before {name}");
        change(&mut now);
        now = now.versioned();
        let entry = scenario.operation(adopt(now.version, &text_of(&now)));
        let (version, configuration) = (now.version, text_of(&now));
        let event = Event::PolicyAdopted(PolicyAdopted { version, configuration });
        assert_eq!(entry.events, [event], "{name}");
        assert_eq!(adopted(&scenario), now.version, "{name}");
    }
}

#[test]
fn an_entry_names_the_configuration_that_it_was_decided_by_not_the_one_adopted() {
    let mut scenario = Scenario::funded(1000);
    scenario.policy.payment.submits_limit = 1;
    let changed = scenario.policy.clone().versioned();
    scenario.operation(adopt(changed.version, &text_of(&changed)));
    let entry = scenario.pay("user", 400, "before");
    assert_eq!((entry.policy_version, failure_code(&entry)), (1, ""));
    scenario.policy = changed.clone();
    let entry = scenario.pay("user", 400, "after");
    assert_eq!(entry.policy_version, changed.version);
}
