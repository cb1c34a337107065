//! One row per way in which a journal of the whole domain can be broken, and the check that must
//! find it.

use schemas::account::{Layer, Side};
use schemas::entry::{Entry, InputBody, Source, Verdict};
use schemas::event::{Event, WalletClosed, WalletFrozen};
use schemas::inputs::{GatewayOutcome, OperationBody, ResolvedOutcome};
use schemas::{Amount, Timestamp};

use super::domain::journal;
use super::scenario::{audit, seal, wallet};
use crate::audit::{Charge, ChargeStatus, GroundTruth};

type Row = (&'static str, &'static str, fn(&mut Vec<Entry>));

fn amount(minor: i64) -> Amount {
    Amount::try_from(minor).expect("valid")
}

/// The first entry with an event of this name.
fn with<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut Entry {
    let entry = entries.iter_mut().find(|entry| entry.events.iter().any(|one| one.name() == name));
    entry.expect("the journal shows every event")
}

fn event<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut Event {
    let mut events = with(entries, name).events.iter_mut();
    events.find(|event| event.name() == name).expect("found by it")
}

fn without(entries: &mut [Entry], name: &str) {
    with(entries, name).events.retain(|event| event.name() != name);
}

/// Appends a copy of the first entry with such an event, as another input.
fn repeat(entries: &mut Vec<Entry>, name: &str) {
    let mut copy = with(entries, name).clone();
    let last = entries.last().expect("not empty");
    (copy.seq, copy.at) = (last.seq + 1, last.at);
    if let Source::Input { offset, .. } = &mut copy.source {
        *offset += 1_000;
    }
    copy.timers.clear();
    entries.push(copy);
}

/// Puts an event into the first entry that states nothing about money.
fn insert(entries: &mut [Entry], at: usize, event: Event) {
    entries[at].events.push(event);
}

const ROWS: &[Row] = &[
    ("operations", "what counts was never said", |entries| {
        without(entries, "OrphanRecorded");
    }),
    ("causes", "another charge is kept than was said", |entries| {
        if let Event::OrphanRecorded(kept) = event(entries, "OrphanRecorded") {
            kept.result.outcome = GatewayOutcome::NotFound {};
        }
    }),
    ("causes", "what had been said counts for another payment", |entries| {
        if let Event::OrphanApplied(applied) = event(entries, "OrphanApplied") {
            applied.result.payment_id = schemas::PaymentId::from_bytes([7; 16]);
            applied.result.operation_id = schemas::OperationId::from_bytes([7; 16]);
        }
    }),
    ("sources", "a leg on the topic of commands", |entries| {
        if let Source::Input { topic, .. } = &mut with(entries, "TransferCredited").source {
            "commands".clone_into(topic);
        }
    }),
    ("causes", "frozen by nobody", |entries| {
        let entry = with(entries, "WalletFrozen");
        if let InputBody::Operation(input) = &mut entry.input.body
            && let OperationBody::FreezeWallet(asked) = input.body.clone()
        {
            input.body = OperationBody::UnfreezeWallet(asked);
        }
    }),
    ("causes", "other limits than asked", |entries| {
        if let Event::LimitsSet(limits) = event(entries, "LimitsSet") {
            limits.per_payment = None;
        }
    }),
    ("causes", "a withdrawal of more than asked", |entries| {
        if let Event::WithdrawalRecorded(one) = event(entries, "WithdrawalRecorded") {
            one.amount = amount(51);
        }
    }),
    ("causes", "a cancel of another payment", |entries| {
        if let Event::CancelRequested(one) = event(entries, "CancelRequested") {
            one.payment_id = schemas::PaymentId::from_bytes([7; 16]);
        }
    }),
    ("causes", "resolved by another", |entries| {
        if let Event::PaymentResolved(one) = event(entries, "PaymentResolved") {
            "somebody".clone_into(&mut one.actor);
        }
    }),
    ("causes", "completed without a word of anybody", |entries| {
        without(entries, "PaymentResolved");
    }),
    ("causes", "a refund of more than asked", |entries| {
        let mut asked = entries.iter_mut().flat_map(|entry| &mut entry.events);
        let asked = asked.find_map(|event| match event {
            Event::RefundRequested(one) if one.amount.minor() == 150 => Some(one),
            _ => None,
        });
        asked.expect("one is").amount = amount(151);
    }),
    ("causes", "a refund succeeded by an answer that is none", |entries| {
        let entry = with(entries, "RefundSucceeded");
        if let InputBody::GatewayResult(answer) = &mut entry.input.body {
            answer.outcome = GatewayOutcome::OutcomeUnknown { reason: String::new() };
        }
    }),
    ("causes", "credited more than the leg says", |entries| {
        if let Event::TransferCredited(one) = event(entries, "TransferCredited") {
            one.amount = amount(81);
        }
    }),
    ("causes", "completed without the receiver", |entries| {
        let entry = with(entries, "TransferCompleted");
        if let InputBody::TransferLeg(leg) = &mut entry.input.body {
            leg.body = schemas::inputs::LegBody::CreditAsked {};
        }
    }),
    ("movements", "suspense booked and not said", |entries| without(entries, "SuspenseBooked")),
    ("movements", "a withdrawal without postings", |entries| {
        with(entries, "WithdrawalRecorded").postings.clear();
    }),
    ("movements", "a failover that moves nothing", |entries| {
        with(entries, "AttemptAbandoned").postings.clear();
    }),
    ("movements", "an announced refund that is not announced", |entries| {
        let is_credit =
            |event: &Event| matches!(event, Event::RefundSucceeded(one) if one.credited > 0);
        let entry = entries.iter_mut().find(|entry| entry.events.iter().any(is_credit));
        entry.expect("one is").postings.retain(|one| one.layer == Layer::Posted);
    }),
    ("movements", "a transfer credited twice over", |entries| {
        with(entries, "TransferCredited").postings.iter_mut().for_each(|leg| leg.amount *= 2);
    }),
    ("movements", "less captured than posted", |entries| {
        let mut posted = entries.iter_mut().flat_map(|entry| &mut entry.events);
        let posted = posted.find_map(|event| match event {
            Event::HoldPosted(hold) if hold.amount.minor() == 60 => Some(hold),
            _ => None,
        });
        posted.expect("one is").amount = amount(61);
    }),
    ("overdraft", "spent what was not there", |entries| {
        let debits = |entry: &&mut Entry| {
            entry.postings.iter().any(|one| one.layer == Layer::Posted && one.side == Side::Debit)
        };
        let entry = entries.iter_mut().skip(2).find(debits).expect("one pays");
        let posted = entry.postings.iter_mut().filter(|one| one.layer == Layer::Posted);
        posted.for_each(|one| one.amount *= 1_000);
    }),
    ("wallets", "a debit of a frozen wallet", |entries| {
        let frozen = WalletFrozen { wallet_id: wallet() };
        insert(entries, 0, Event::WalletFrozen(frozen));
    }),
    ("wallets", "closed with money in it", |entries| {
        let closed = WalletClosed { wallet_id: wallet() };
        insert(entries, 2, Event::WalletClosed(closed));
    }),
    ("wallets", "unfrozen twice", |entries| repeat(entries, "WalletUnfrozen")),
    ("wallets", "closed twice", |entries| repeat(entries, "WalletClosed")),
    ("rails", "a withdrawal booked twice", |entries| repeat(entries, "WithdrawalRecorded")),
    ("rails", "a deposit reversed twice", |entries| repeat(entries, "DepositReversed")),
    ("rails", "a withdrawal reversed twice", |entries| repeat(entries, "WithdrawalReversed")),
    ("rails", "reversed what never was", |entries| without(entries, "WithdrawalRecorded")),
    ("rails", "more reversed than booked", |entries| {
        if let Event::DepositReversed(one) = event(entries, "DepositReversed") {
            one.amount = amount(21);
        }
    }),
    ("holds", "both parts of a hold are more than it", |entries| {
        let mut voided = entries.iter_mut().flat_map(|entry| &mut entry.events);
        let voided = voided.find_map(|event| match event {
            Event::HoldVoided(hold) if hold.amount.minor() == 40 => Some(hold),
            _ => None,
        });
        voided.expect("one is").amount = amount(41);
    }),
    ("holds", "a transfer holds what it does not say", |entries| {
        if let Event::TransferHeld(_) = event(entries, "TransferHeld") {
            without(entries, "TransferHeld");
        }
        without(entries, "TransferHeld");
        without(entries, "TransferHeld");
    }),
    ("payments", "cancelled and charged", |entries| {
        let entry = with(entries, "PaymentCancelled");
        for event in &mut entry.events {
            if let Event::HoldVoided(hold) = event.clone() {
                *event = Event::HoldPosted(hold);
            }
        }
    }),
    ("payments", "cancelled after its outcome", |entries| repeat(entries, "PaymentCancelled")),
    ("operations", "a second attempt with the key of the first", |entries| {
        let first = entries[2..].iter().flat_map(|entry| &entry.events).find_map(|one| match one {
            Event::AttemptStarted(started) => Some(started.operation_id),
            _ => None,
        });
        let started = with(entries, "AttemptAbandoned").events.iter_mut();
        for event in started {
            if let Event::AttemptStarted(started) = event {
                started.operation_id = first.expect("one was");
            }
        }
    }),
    ("operations", "a refund at another gateway", |entries| {
        if let Event::RefundRequested(one) = event(entries, "RefundRequested") {
            one.gateway = "elsewhere".parse().expect("valid");
        }
    }),
    ("doubt", "failed over without proof", |entries| {
        let answered = with(entries, "AttemptAbandoned").events.iter_mut();
        for event in answered {
            if let Event::GatewayOperationAnswered(answered) = event {
                answered.proof = schemas::event::Proof::Nothing;
            }
        }
    }),
    ("doubt", "a refund failed while it may have arrived", |entries| {
        let entry = with(entries, "RefundFailed");
        if let InputBody::GatewayResult(answer) = &mut entry.input.body {
            answer.outcome = GatewayOutcome::OutcomeUnknown { reason: String::new() };
        }
    }),
    ("doubt", "cancelled while it may have arrived", |entries| {
        let answered = with(entries, "PaymentCancelled").events.iter_mut();
        for event in answered {
            if let Event::GatewayOperationAnswered(answered) = event {
                answered.proof = schemas::event::Proof::Nothing;
            }
        }
    }),
    ("refunds", "requested twice", |entries| repeat(entries, "RefundRequested")),
    ("refunds", "succeeded twice", |entries| repeat(entries, "RefundSucceeded")),
    ("refunds", "failed twice", |entries| repeat(entries, "RefundFailed")),
    ("refunds", "more than was captured", |entries| {
        let events = entries.iter_mut().flat_map(|entry| &mut entry.events);
        for event in events {
            if let Event::PaymentCompleted(one) = event
                && one.captured_amount.minor() == 400
            {
                one.captured_amount = amount(399);
            }
        }
    }),
    ("refunds", "credits what nobody had paid", |entries| {
        if let Event::RefundSucceeded(one) = event(entries, "RefundSucceeded") {
            one.credited = 1;
        }
    }),
    ("refunds", "the charge of a completed payment is unwanted", |entries| {
        let events = entries.iter_mut().flat_map(|entry| &mut entry.events);
        for event in events {
            if let Event::RefundRequested(one) = event {
                one.cause = schemas::event::RefundCause::UnwantedCharge;
            }
        }
    }),
    ("transfers", "requested twice", |entries| repeat(entries, "TransferRequested")),
    ("transfers", "credited twice", |entries| repeat(entries, "TransferCredited")),
    ("transfers", "completed twice", |entries| repeat(entries, "TransferCompleted")),
    ("transfers", "never held", |entries| without(entries, "TransferHeld")),
    ("transfers", "never credited", |entries| without(entries, "TransferCredited")),
    ("transfers", "credited and voided", |entries| {
        let (id, wallet_id) = match event(entries, "TransferCompleted") {
            Event::TransferCompleted(one) => (one.transfer_id, one.wallet_id),
            _ => unreachable!("found by its name"),
        };
        *event(entries, "TransferCompleted") =
            Event::TransferFailed(schemas::event::TransferFailed {
                transfer_id: id,
                wallet_id,
                code: "wallet_frozen".to_owned(),
                message: String::new(),
            });
    }),
    ("transfers", "arrived as less", |entries| {
        if let Event::TransferCredited(one) = event(entries, "TransferCredited") {
            one.amount = amount(79);
        }
    }),
    ("limits", "one payment took more than one may", |entries| {
        if let Event::LimitsSet(limits) = event(entries, "LimitsSet") {
            limits.per_payment = Some(299);
        }
    }),
    ("limits", "the payments of a day took more", |entries| {
        if let Event::LimitsSet(limits) = event(entries, "LimitsSet") {
            limits.per_day = Some(500);
        }
    }),
    ("limits", "more were under way than may be", |entries| {
        if let Event::LimitsSet(limits) = event(entries, "LimitsSet") {
            limits.in_flight = Some(1);
        }
    }),
    ("timers", "a leg's timer left out", |entries| {
        let entry = with(entries, "TransferHeld");
        entry.timers.iter_mut().for_each(|change| change.generation += 1);
    }),
    ("verdicts", "a replay that freezes", |entries| {
        with(entries, "WalletFrozen").decision.verdict = Verdict::Replayed;
    }),
    ("chain", "an entry of the past", |entries| {
        with(entries, "TransferCredited").at = Timestamp::from_millis(1);
    }),
];

#[test]
fn every_check_finds_what_it_is_for() {
    let finds = |(name, _, damage): &&Row| {
        let mut entries = journal();
        damage(&mut entries);
        let report = audit(&seal(&entries), None);
        report.check(name).expect("a check of this name").violations > 0
    };
    let missed = ROWS.iter().filter(|row| !finds(row)).map(|(name, what, _)| (name, what));
    assert_eq!(missed.collect::<Vec<_>>(), []);
}

#[test]
fn a_person_is_needed_where_a_person_decided() {
    let mut entries = journal();
    let resolved = with(&mut entries, "PaymentResolved");
    for event in &mut resolved.events {
        if let Event::PaymentResolved(one) = event {
            one.outcome = ResolvedOutcome::Failed;
        }
    }
    let report = audit(&seal(&entries), None);
    assert!(report.check("causes").expect("a check").violations > 0);
}

/// What an honest gateway would say that it gave back, and nothing of what it charged.
pub(super) fn given_back(entries: &[Entry]) -> GroundTruth {
    let events = || entries.iter().flat_map(|entry| &entry.events);
    let is_by_hand =
        |id| events().any(|event| matches!(event, Event::RefundResolved(it) if it.refund_id == id));
    let given_back = events().filter_map(|event| match event {
        Event::RefundSucceeded(event) if !is_by_hand(event.refund_id) => Some(Charge {
            idempotency_key: event.refund_id.to_string(),
            reference: event.payment_id.to_string(),
            attempt_id: event.refund_id.to_string(),
            charge: Some("ch_1".to_owned()),
            amount: event.amount.minor(),
            currency: "USD".to_owned(),
            status: ChargeStatus::Succeeded,
            created: 0,
        }),
        _ => None,
    });
    let refunds = Some(given_back.collect());
    GroundTruth {
        charges: Vec::new(),
        refunds,
        journal_end_taken: Timestamp::from_millis(i64::MAX),
    }
}

type Damage<'a> = dyn Fn(&mut Vec<Charge>) + 'a;

#[test]
fn what_the_gateway_gave_back_is_held_against_the_journal() {
    let entries = journal();
    let violations = |damage: &Damage<'_>| {
        let mut truth = given_back(&entries);
        damage(truth.refunds.as_mut().expect("told"));
        let report = audit(&seal(&entries), Some(truth));
        report.check("refunds_given_back").expect("a check").violations
    };
    assert_eq!(violations(&|_| {}), 0);
    let failed = entries.iter().flat_map(|entry| &entry.events).find_map(|event| match event {
        Event::RefundFailed(event) => Some(event.refund_id.to_string()),
        _ => None,
    });
    let failed = failed.expect("one of the journal failed");
    let rows: [(&str, &Damage<'_>); 6] = [
        ("nothing was given back", &|refunds| drop(refunds.remove(0))),
        ("another amount", &|refunds| refunds[0].amount += 1),
        ("twice", &|refunds| refunds.push(refunds[0].clone())),
        ("of another payment", &|refunds| "nobody".clone_into(&mut refunds[0].reference)),
        ("that nobody asked for", &|refunds| {
            let attempt_id = "nobody".to_owned();
            refunds.push(Charge { attempt_id, ..refunds[0].clone() });
        }),
        ("that failed", &|refunds| {
            refunds.push(Charge { attempt_id: failed.clone(), ..refunds[0].clone() });
        }),
    ];
    for (what, damage) in rows {
        assert!(violations(damage) > 0, "it does not find a refund: {what}");
    }
}
