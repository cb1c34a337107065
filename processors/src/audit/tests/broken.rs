//! One row per way in which a journal can be broken, and the check that must find it.

use schemas::entry::{Entry, InputBody, Source, Verdict};
use schemas::event::{Event, Proof};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, OperationBody};
use schemas::{Amount, Timestamp};

use super::scenario::{audit, full, honest, journal, seal, wallet};
use crate::audit::{Charge, ChargeStatus, GroundTruth};

type Row<T> = (&'static str, &'static str, fn(&mut T));

/// The first entry with such an event.
fn with(entries: &mut [Entry], wanted: fn(&Event) -> bool) -> &mut Entry {
    let entry = entries.iter_mut().find(|entry| entry.events.iter().any(wanted));
    entry.expect("the journal shows every event")
}

fn event(entry: &mut Entry, wanted: fn(&Event) -> bool) -> &mut Event {
    entry.events.iter_mut().find(|event| wanted(event)).expect("found by it")
}

fn is_deposit(event: &Event) -> bool {
    matches!(event, Event::DepositRecorded(_))
}
fn is_placed(event: &Event) -> bool {
    matches!(event, Event::HoldPlaced(_))
}
fn is_posted(event: &Event) -> bool {
    matches!(event, Event::HoldPosted(_))
}
fn is_voided(event: &Event) -> bool {
    matches!(event, Event::HoldVoided(_))
}
fn is_completed(event: &Event) -> bool {
    matches!(event, Event::PaymentCompleted(_))
}
fn is_requested(event: &Event) -> bool {
    matches!(event, Event::PaymentRequested(_))
}
fn is_inquiry(event: &Event) -> bool {
    matches!(event, Event::GatewayOperationRequested(asked)
        if asked.operation == GatewayOperationKind::Inquire)
}
fn is_answered(event: &Event) -> bool {
    matches!(event, Event::GatewayOperationAnswered(_))
}
fn is_never_received(event: &Event) -> bool {
    matches!(event, Event::GatewayOperationAnswered(answered)
        if answered.proof == Proof::NeverReceived)
}
fn is_started(event: &Event) -> bool {
    matches!(event, Event::AttemptStarted(_))
}

/// Appends a copy of the first entry with such an event, as another input, one more in sequence.
fn repeat(entries: &mut Vec<Entry>, wanted: fn(&Event) -> bool) {
    let mut copy = with(entries, wanted).clone();
    let last = entries.last().expect("not empty");
    copy.seq = last.seq + 1;
    copy.at = last.at;
    if let Source::Input { offset, .. } = &mut copy.source {
        *offset += 1_000;
    }
    copy.timers.clear();
    entries.push(copy);
}

fn amount(minor: i64) -> Amount {
    Amount::try_from(minor).expect("valid")
}

/// Another amount than any in the journal.
const OTHER: i64 = 12_345;

const JOURNALS: &[Row<Vec<Entry>>] = &[
    ("chain", "an entry left out", |entries| drop(entries.remove(3))),
    ("chain", "a sequence left out", |entries| entries[3].seq += 1),
    ("chain", "time goes back", |entries| entries[3].at = Timestamp::from_millis(1)),
    ("chain", "a reader of the future", |entries| entries[3].min_reader = 1_000),
    ("sources", "an input handled twice", |entries| {
        repeat(entries, is_deposit);
        let source = with(entries, is_deposit).source.clone();
        entries.last_mut().expect("just pushed").source = source;
    }),
    ("sources", "an input of another partition", |entries| {
        if let Source::Input { partition, .. } = &mut entries[0].source {
            *partition = 1;
        }
    }),
    ("sources", "an operation on the topic of commands", |entries| {
        if let Source::Input { topic, .. } = &mut entries[0].source {
            "commands".clone_into(topic);
        }
    }),
    ("sources", "a topic that is no input", |entries| {
        if let Source::Input { topic, .. } = &mut entries[0].source {
            "journal".clone_into(topic);
        }
    }),
    ("timers", "a timer fired twice", |entries| repeat(entries, is_inquiry)),
    ("timers", "a timer fired early", |entries| {
        if let Source::Timer { due, .. } = &mut with(entries, is_inquiry).source {
            *due = Timestamp::from_millis(i64::MAX);
        }
    }),
    ("timers", "a setting left out", |entries| with(entries, is_placed).timers.clear()),
    ("verdicts", "a refusal that does something", |entries| {
        let decision = &mut with(entries, is_deposit).decision;
        decision.verdict = Verdict::Refused;
        "wallet_not_found".clone_into(&mut decision.code);
    }),
    ("verdicts", "a refusal without a code", |entries| {
        let refused = |entry: &&mut Entry| entry.decision.verdict == Verdict::Refused;
        let entry = entries.iter_mut().find(refused).expect("one is refused");
        entry.decision.code.clear();
    }),
    ("verdicts", "accepted and nothing said", |entries| entries[0].events.clear()),
    ("causes", "a deposit of more than asked", |entries| {
        if let Event::DepositRecorded(one) = event(with(entries, is_deposit), is_deposit) {
            one.amount = amount(OTHER);
        }
    }),
    ("causes", "a payment of more than asked", |entries| {
        if let Event::PaymentRequested(one) = event(with(entries, is_requested), is_requested) {
            one.amount = amount(OTHER);
        }
    }),
    ("causes", "an operation asked for something else", |entries| {
        if let InputBody::Operation(input) = &mut entries[0].input.body
            && let OperationBody::OpenWallet(asked) = &mut input.body
        {
            "EUR".clone_into(&mut asked.currency);
        }
    }),
    ("causes", "completed by an answer that is no success", |entries| {
        if let InputBody::GatewayResult(answer) = &mut with(entries, is_completed).input.body {
            answer.outcome = GatewayOutcome::OutcomeUnknown { reason: String::new() };
        }
    }),
    ("conservation", "one leg too much", |entries| {
        let postings = &mut with(entries, is_deposit).postings;
        postings[1].amount += 1;
    }),
    ("conservation", "a negative posting", |entries| {
        with(entries, is_deposit).postings.iter_mut().for_each(|leg| leg.amount = -leg.amount);
    }),
    ("movements", "more posted than deposited", |entries| {
        with(entries, is_deposit).postings.iter_mut().for_each(|leg| leg.amount += 1);
    }),
    ("movements", "a hold without postings", |entries| with(entries, is_placed).postings.clear()),
    ("movements", "money moves without an event", |entries| {
        let postings = with(entries, is_deposit).postings.clone();
        entries[0].postings = postings;
    }),
    ("balances", "another number", |entries| {
        with(entries, is_deposit).balances[1].credits_posted += 1;
    }),
    ("balances", "a version left out", |entries| {
        with(entries, is_placed).balances[0].version += 1;
    }),
    ("balances", "an account left out", |entries| drop(with(entries, is_placed).balances.pop())),
    ("balances", "an account that was not touched", |entries| {
        let balances = with(entries, is_deposit).balances.clone();
        entries[0].balances = balances;
    }),
    ("overdraft", "a deposit that never was", |entries| {
        let entry = with(entries, is_deposit);
        entry.events.clear();
        entry.postings.clear();
    }),
    ("wallets", "a wallet never opened", |entries| entries[0].events.clear()),
    ("wallets", "a wallet opened twice", |entries| {
        repeat(entries, |event| matches!(event, Event::WalletOpened(_)));
    }),
    ("wallets", "another currency", |entries| {
        with(entries, is_deposit).postings.iter_mut().for_each(|leg| {
            leg.currency = "EUR".parse().expect("valid");
        });
    }),
    ("rails", "a deposit booked twice", |entries| repeat(entries, is_deposit)),
    ("rails", "a reference booked twice", |entries| {
        repeat(entries, is_deposit);
        let last = entries.last_mut().expect("just pushed");
        if let Event::DepositRecorded(one) = &mut last.events[0] {
            one.deposit_id = schemas::DepositId::from_bytes([7; 16]);
        }
    }),
    ("holds", "a hold closed twice", |entries| repeat(entries, is_voided)),
    ("holds", "a hold never placed", |entries| {
        with(entries, is_placed).events.retain(|event| !is_placed(event));
    }),
    ("holds", "a hold posted with less", |entries| {
        if let Event::HoldPosted(hold) = event(with(entries, is_posted), is_posted) {
            hold.amount = amount(1);
        }
    }),
    ("holds", "a wallet holds what no hold says", |entries| {
        let last = entries.last_mut().expect("a payment is open at the end");
        last.events.retain(|event| !is_placed(event));
    }),
    ("payments", "a payment requested twice", |entries| repeat(entries, is_requested)),
    ("payments", "two outcomes", |entries| repeat(entries, is_completed)),
    ("payments", "completed with its hold voided", |entries| {
        let posted = event(with(entries, is_posted), is_posted);
        if let Event::HoldPosted(hold) = posted.clone() {
            *posted = Event::HoldVoided(hold);
        }
    }),
    ("payments", "captured less than asked", |entries| {
        if let Event::PaymentCompleted(one) = event(with(entries, is_completed), is_completed) {
            one.captured_amount = amount(1);
        }
    }),
    ("payments", "failed with its money held", |entries| {
        with(entries, is_voided).events.retain(|event| !is_voided(event));
    }),
    ("payments", "open with nothing held", |entries| {
        let last = entries.last_mut().expect("a payment is open at the end");
        last.events.retain(|event| !is_placed(event));
    }),
    ("payments", "never requested", |entries| {
        with(entries, is_requested).events.retain(|event| !is_requested(event));
    }),
    ("operations", "a key goes to another gateway", |entries| {
        if let Event::GatewayOperationRequested(asked) =
            event(with(entries, is_inquiry), is_inquiry)
        {
            asked.gateway = "other".parse().expect("valid");
        }
    }),
    ("operations", "an operation left out", |entries| {
        with(entries, is_inquiry).events.retain(|event| !is_inquiry(event));
    }),
    ("operations", "an answer to nothing", |entries| {
        if let Event::GatewayOperationAnswered(one) = event(with(entries, is_answered), is_answered)
        {
            one.operation_seq = 9;
        }
    }),
    ("operations", "an operation answered twice", |entries| repeat(entries, is_answered)),
    ("operations", "a key used twice", |entries| repeat(entries, is_started)),
    ("doubt", "voided while a charge may exist", |entries| {
        if let InputBody::GatewayResult(answer) = &mut with(entries, is_voided).input.body {
            answer.outcome = GatewayOutcome::OutcomeUnknown { reason: String::new() };
        }
    }),
    ("doubt", "charged again without proof", |entries| {
        let answered = event(with(entries, is_never_received), is_never_received);
        if let Event::GatewayOperationAnswered(one) = answered {
            one.proof = Proof::Nothing;
        }
    }),
    ("doubt", "a proof that proves nothing", |entries| {
        for entry in entries.iter_mut() {
            for event in &mut entry.events {
                if let Event::GatewayOperationRequested(asked) = event {
                    asked.conclusive_after = Timestamp::from_millis(i64::MAX);
                }
            }
        }
    }),
    ("doubt", "a proof of not sent that is no such answer", |entries| {
        if let Event::GatewayOperationAnswered(one) = event(with(entries, is_answered), is_answered)
        {
            one.proof = Proof::NotSent;
        }
    }),
];

#[test]
fn every_check_finds_what_it_is_for() {
    let finds = |(name, _, damage): &&Row<Vec<Entry>>| {
        let mut entries = full().entries;
        damage(&mut entries);
        let report = audit(&seal(&entries), None);
        report.check(name).expect("a check of this name").violations > 0
    };
    let missed = JOURNALS.iter().filter(|row| !finds(row)).map(|(name, what, _)| (name, what));
    assert_eq!(missed.collect::<Vec<_>>(), []);
}

#[test]
fn a_record_whose_bytes_were_changed_breaks_the_chain_once() {
    let sealed = |change: fn(&mut Vec<super::scenario::Record>)| {
        let mut records = seal(&full().entries);
        change(&mut records);
        audit(&records, None).check("chain").expect("is a check").violations
    };
    assert_eq!(sealed(|_| {}), 0);
    assert_eq!(sealed(|records| records[4].key.push(b'x')), 1, "key");
    // The schema id in the frame: the entry reads the same, only the hash shows it.
    assert_eq!(sealed(|records| records[4].value[4] ^= 1), 1, "value");
    assert!(sealed(|records| records[4].value.truncate(5)) > 0, "unreadable");
    assert!(sealed(|records| records.swap(4, 5)) > 0, "order");
    assert!(sealed(|records| drop(records.remove(0))) > 0, "beginning");
}

#[test]
fn a_partition_cannot_pass_for_another() {
    let records = seal(&full().entries);
    let mut auditor = crate::audit::Auditor::new(journal(), 2.try_into().expect("valid"));
    let catalog = schemas::codec::SchemaCatalog::default();
    let own = schemas::codec::RecordKind::Entry.schema().fingerprint();
    let partition =
        schemas::Partition::new(1 - wallet().shard(2.try_into().expect("valid")).number());
    let position =
        schemas::Position { partition: partition.expect("0 or 1"), offset: schemas::Offset::ZERO };
    let (key, value) = (Some(records[0].key.as_slice()), Some(records[0].value.as_slice()));
    let entry = catalog.decode(value, Some(own));
    auditor.observe(&crate::audit::AuditRecord { position, key, value, entry });
    let report = auditor.report();
    assert!(report.check("wallets").expect("is a check").violations > 0);
    assert!(!report.is_clean());
}

const TRUTHS: &[Row<GroundTruth>] = &[
    ("charged_once", "a payment charged twice", |truth| {
        let again = Charge { idempotency_key: "another".to_owned(), ..truth.charges[0].clone() };
        truth.charges.push(again);
    }),
    ("charged_once", "a key charged twice", |truth| {
        let again = truth.charges[0].clone();
        truth.charges.push(again);
    }),
    ("failed_uncharged", "a failed payment charged", |truth| {
        truth.charges[1].status = ChargeStatus::Succeeded;
    }),
    ("completed_charged", "completed and not charged", |truth| drop(truth.charges.remove(0))),
    ("completed_charged", "another amount", |truth| truth.charges[0].amount += 1),
    ("completed_charged", "another currency", |truth| {
        "EUR".clone_into(&mut truth.charges[0].currency);
    }),
    ("charges_known", "for no payment", |truth| {
        "nobody".clone_into(&mut truth.charges[1].reference);
    }),
    ("charges_known", "with the key of another payment", |truth| {
        truth.charges[1].idempotency_key = truth.charges[0].idempotency_key.clone();
    }),
];

#[test]
fn the_gateway_is_held_against_the_journal() {
    let scenario = full();
    let records = seal(&scenario.entries);
    for (name, what, damage) in TRUTHS {
        let mut truth = honest(&scenario);
        damage(&mut truth);
        let report = audit(&records, Some(truth));
        let check = report.check(name).expect("a check of this name");
        assert!(check.violations > 0, "{name} does not find: {what}");
    }
}

#[test]
fn a_charge_newer_than_the_journal_that_was_read_is_no_violation() {
    let scenario = full();
    let mut truth = honest(&scenario);
    let newer = Charge {
        reference: "00000000-0000-8000-8000-000000000000".to_owned(),
        idempotency_key: "newer".to_owned(),
        created: truth.journal_end_taken.millis(),
        ..truth.charges[0].clone()
    };
    truth.charges.push(newer);
    let report = audit(&seal(&scenario.entries), Some(truth));
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.totals.ground_truth.expect("was given").newer, 1);
}

#[test]
fn examples_are_bounded_and_violations_are_counted() {
    let mut entries = full().entries;
    for entry in &mut entries {
        entry.min_reader = 0;
    }
    let report = audit(&seal(&entries), None);
    let chain = report.check("chain").expect("is a check");
    assert_eq!(chain.violations, entries.len() as u64);
    assert_eq!(chain.examples.len(), crate::audit::MAX_EXAMPLES);
}
