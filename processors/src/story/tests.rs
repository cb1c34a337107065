//! The rows of stories: what people are told of each way in which a thing can go.

use schemas::entry::{Entry, InputBody};
use schemas::inputs::{OperationBody, ResolvedOutcome};
use schemas::{Offset, Partition, Position};

use super::{Story, Subject, money, tell};
use crate::scenario::{
    Scenario, change, decline, not_sent, pay, payment_of, refund, refund_of, resolve, success,
    transfer, transfer_of, unknown, usd, wallet_of,
};

fn entries(scenario: &Scenario) -> Vec<(Position, Entry)> {
    let partition = Partition::new(0).expect("valid");
    let place = |(offset, entry): (i64, &Entry)| {
        (Position { partition, offset: Offset::new(offset).expect("valid") }, entry.clone())
    };
    (0..).zip(&scenario.journal).map(place).collect()
}

fn of_payment(scenario: &Scenario) -> Story {
    let subject = Subject::Payment(payment_of("user", "order"));
    tell(subject, &entries(scenario)).expect("the journal tells of it")
}

/// Everything that a story says, in one text.
fn text(story: &Story) -> String {
    let sentences = story.steps.iter().flat_map(|step| step.sentences.clone());
    sentences.collect::<Vec<_>>().join("\n")
}

fn submitted() -> Scenario {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario
}

/// What is done, and how the story of the payment ends: headline, then what it waits for.
type Row = (&'static str, fn(&mut Scenario), &'static str, Option<&'static str>);

const ROWS: [Row; 9] = [
    ("just asked", |_| {}, ": being charged.", Some("the answer of simulator to a charge")),
    ("charged", |one| drop(one.answer_latest(success(400))), ": completed.", None),
    ("declined", |one| drop(one.answer_latest(decline())), ": failed (payment_declined).", None),
    (
        "never sent",
        |one| drop(one.answer_latest(not_sent())),
        ": being charged.",
        Some("the back-off: the same is sent to simulator again at"),
    ),
    (
        "unknown",
        |one| drop(one.answer_latest(unknown())),
        ": in doubt.",
        Some("the back-off: simulator is asked at"),
    ),
    (
        "asked",
        |one| {
            one.answer_latest(unknown());
            one.fire_next();
        },
        ": in doubt.",
        Some("the answer of simulator to an inquiry"),
    ),
    (
        "asked and still unknown",
        |one| {
            one.answer_latest(unknown());
            one.fire_next();
            one.answer_latest(unknown());
        },
        ": in doubt.",
        Some("the back-off: simulator is asked at"),
    ),
    (
        "in review",
        |one| {
            one.answer_latest(unknown());
            in_review(one);
        },
        ": in review.",
        Some("a person, who finds out at simulator"),
    ),
    (
        "resolved",
        |one| {
            one.answer_latest(unknown());
            in_review(one);
            one.operation(resolve("user", "order", ResolvedOutcome::Failed, None));
        },
        ": failed (resolved_as_failed).",
        None,
    ),
];

/// Time goes on until a person is asked.
fn in_review(scenario: &mut Scenario) {
    let is_asked =
        |entry: &Entry| entry.events.iter().any(|event| event.name() == "PaymentReviewRequested");
    while !is_asked(&scenario.fire_next().expect("a payment in doubt has a timer")) {
        scenario.answer_latest(unknown());
    }
}

#[test]
fn every_end_of_a_payment_is_told() {
    for (name, act, headline, waits) in ROWS {
        let mut scenario = submitted();
        act(&mut scenario);
        let story = of_payment(&scenario);
        assert!(story.headline.ends_with(headline), "{name}: {}", story.headline);
        assert!(story.headline.contains("of 4.00 USD from wallet"), "{name}: {}", story.headline);
        match (waits, story.waits_for.as_deref()) {
            (None, None) => {}
            (Some(waits), Some(told)) => assert!(told.contains(waits), "{name}: {told}"),
            (_, told) => panic!("{name}: {told:?}"),
        }
    }
}

#[test]
fn a_payment_is_told_step_by_step_with_its_money() {
    let mut scenario = submitted();
    scenario.answer_latest(success(400));
    let story = of_payment(&scenario);
    let [asked, charged] = story.steps.as_slice() else { panic!("{story:#?}") };
    assert_eq!(asked.sentences[0], "\"test\" asked to pay 4.00 USD.");
    assert_eq!(asked.sentences[1], "4.00 USD was held.");
    assert_eq!(asked.wallets[0].pending_debits, 400);
    let said = "Gateway simulator, asked to charge (1): it charged 4.00 USD as ch_1.";
    assert_eq!(charged.sentences[0], said);
    assert_eq!(
        charged.sentences.last().map(String::as_str),
        Some("The payment is completed, as ch_1.")
    );
    let numbers = &story.wallets[0];
    assert_eq!((numbers.posted, numbers.pending_debits, numbers.available), (600, 0, 600));
    assert!(numbers.sentence().ends_with("held 0.00 USD, to come 0.00 USD, available 6.00 USD"));
}

#[test]
fn what_a_person_saw_is_evidence() {
    let mut scenario = submitted();
    scenario.answer_latest(unknown());
    in_review(&mut scenario);
    scenario.operation(resolve("user", "order", ResolvedOutcome::Succeeded, None));
    let story = of_payment(&scenario);
    let last = story.steps.last().expect("steps");
    assert_eq!(last.evidence.as_deref(), Some("seen in the dashboard"));
    assert!(text(&story).contains("On the word of \"test\", it succeeded."));
}

#[test]
fn repetitions_and_refusals_are_told_and_move_nothing() {
    let mut scenario = submitted();
    scenario.command(pay("user", 400, "order"));
    scenario.command(pay("user", 401, "order"));
    let story = of_payment(&scenario);
    let told = text(&story);
    assert!(told.contains("handled before"), "{told}");
    assert!(told.contains("Refused as idempotency_key_reused"), "{told}");
    assert!(story.steps[1..].iter().all(|step| step.wallets.is_empty()));
}

#[test]
fn a_refund_is_a_story_of_its_own_and_a_part_of_its_payments() {
    let mut scenario = submitted();
    scenario.answer_latest(success(400));
    scenario.command(refund("user", "order", Some(150), "r"));
    let payment = of_payment(&scenario);
    assert!(payment.headline.ends_with(": completed."), "{}", payment.headline);
    assert_eq!(payment.waits_for, None);
    let subject = Subject::Refund(refund_of("user", "order", "r"));
    let story = tell(subject, &entries(&scenario)).expect("told");
    assert!(story.headline.contains("of 1.50 USD of payment"), "{}", story.headline);
    assert!(story.waits_for.expect("an answer").contains("to a refund"));
    scenario.answer_latest(success(150));
    let story = tell(subject, &entries(&scenario)).expect("told");
    assert!(story.headline.ends_with(": succeeded."), "{}", story.headline);
    assert_eq!((story.waits_for, story.steps.len()), (None, 2));
}

#[test]
fn a_transfer_is_told_at_both_ends() {
    let mut scenario = Scenario::funded(1000);
    scenario.open("other");
    scenario.command(transfer("user", "other", 400, "t"));
    let subject = Subject::Transfer(transfer_of("user", "t"));
    let story = tell(subject, &entries(&scenario)).expect("told");
    assert!(story.headline.ends_with(": held."), "{}", story.headline);
    assert!(story.waits_for.expect("an answer").starts_with("the receiver's shard"));
    for _ in 0..2 {
        let leg = scenario.legs().pop().expect("a leg");
        scenario.leg(leg);
    }
    // As two partitions are read: one after the other.
    let mut apart = entries(&scenario);
    let is_credit = |entry: &Entry| {
        matches!(&entry.input.body, InputBody::TransferLeg(leg)
            if leg.wallet_id == wallet_of("other"))
    };
    apart.sort_by_key(|(_, entry)| is_credit(entry));
    let story = tell(subject, &apart).expect("told");
    assert!(story.headline.ends_with(": completed."), "{}", story.headline);
    let told = text(&story);
    let places = ["was held at the sender", "The receiver has 4.00 USD", "is completed"];
    let found: Vec<_> = places.iter().map(|part| told.find(part).expect("told")).collect();
    assert!(found.is_sorted(), "{told}");
    assert_eq!(story.wallets.len(), 2);
}

#[test]
fn a_wallet_tells_all_that_touched_it() {
    let mut scenario = submitted();
    scenario.operation(change("user", OperationBody::FreezeWallet));
    let subject = Subject::Wallet(wallet_of("user"));
    let story = tell(subject, &entries(&scenario)).expect("told");
    assert_eq!(story.steps.len(), 4);
    assert!(story.headline.contains("in USD of user (main): frozen."), "{}", story.headline);
    assert_eq!(story.wallets[0].available, 600);
    assert_eq!(story.waits_for, None);
    assert_eq!(tell(Subject::Wallet(wallet_of("nobody")), &entries(&scenario)), None);
}

#[test]
fn every_event_that_a_journal_can_hold_is_told_in_sentences() {
    let mut scenario = Scenario::new();
    scenario.journal = crate::audit::tests::domain::journal();
    let subject = Subject::Wallet(wallet_of("user"));
    let story = tell(subject, &entries(&scenario)).expect("told");
    assert!(story.steps.len() > 40, "{}", story.steps.len());
    for sentence in story.steps.iter().flat_map(|step| &step.sentences) {
        assert!(sentence.ends_with('.') && !sentence.contains(".."), "{sentence}");
    }
}

#[test]
fn money_is_written_as_people_write_it() {
    let yen = "JPY".parse().expect("valid");
    let dinar = "KWD".parse().expect("valid");
    let rows = [
        (0, usd(), "0.00 USD"),
        (7, usd(), "0.07 USD"),
        (-1_234, usd(), "-12.34 USD"),
        (1_234, yen, "1234 JPY"),
        (1_234, dinar, "1.234 KWD"),
    ];
    for (minor, currency, written) in rows {
        assert_eq!(money(minor, currency), written);
    }
}
