//! Tables: what is in a journal, and whose operations a follower then does.

use schemas::entry::{Decision, Input, InputBody, READER_VERSION, Source};
use schemas::event::{Event, GatewayOperationAnswered, GatewayOperationRequested, Proof};
use schemas::{Amount, ByteString, Currency, EntryHash, SchemaId};

use super::*;

fn shard(number: i32) -> Partition {
    Partition::new(number).expect("valid")
}

fn claim(directory: u128, run: u128) -> Claim {
    Claim { directory: Uuid::from_u128(directory), run: Uuid::from_u128(run) }
}

fn operation(number: u8) -> OperationId {
    OperationId::from_bytes([number; 16])
}

fn entry(body: InputBody, decision: Decision, events: Vec<Event>) -> Entry {
    Entry {
        seq: 1,
        prev_hash: EntryHash::from([0; 32]),
        min_reader: READER_VERSION,
        at: Timestamp::default(),
        policy_version: 0,
        source: Source::Input { topic: "gateway-results".to_owned(), partition: 0, offset: 0 },
        input: Input { raw_hash: ByteString::default(), schema_id: SchemaId::default(), body },
        decision,
        events,
        postings: Vec::new(),
        balances: Vec::new(),
        timers: Vec::new(),
    }
}

fn claimed(by: Claim) -> Entry {
    let name: GatewayName = "simulator".parse().expect("a name");
    let count = PartitionCount::try_from(4).expect("valid");
    let record = by.record(&name, shard(0), count, Timestamp::default());
    assert_eq!(record.wallet_id.shard(count), shard(0), "it is routed to its shard");
    let decision = Decision::refused("unknown_operation", "");
    entry(InputBody::GatewayResult(record), decision, Vec::new())
}

fn asked(number: u8) -> Entry {
    let request = GatewayOperationRequested {
        payment_id: PaymentId::from_bytes([number; 16]),
        wallet_id: WalletId::from_bytes([0; 16]),
        operation_id: operation(number),
        operation_seq: 1,
        operation: GatewayOperationKind::Submit,
        gateway: "simulator".parse().expect("a name"),
        amount: Amount::try_from(100).expect("an amount"),
        currency: "USD".parse::<Currency>().expect("a currency"),
        not_after: Timestamp::default(),
        conclusive_after: Timestamp::default(),
        correlation_id: String::new(),
        refund: None,
    };
    let events = vec![Event::GatewayOperationRequested(request)];
    entry(InputBody::TimerFired {}, Decision::accepted(), events)
}

fn answered(number: u8) -> Entry {
    let events = vec![Event::GatewayOperationAnswered(GatewayOperationAnswered {
        payment_id: PaymentId::from_bytes([number; 16]),
        operation_id: operation(number),
        operation_seq: 1,
        proof: Proof::Nothing,
        refund_id: None,
    })];
    entry(InputBody::TimerFired {}, Decision::accepted(), events)
}

/// What a follower does when it has folded `before` and then sees `after` in shard 0.
#[derive(Debug, PartialEq, Eq)]
struct Did {
    /// Whether it sent a claim when it had folded the past.
    claims: bool,
    /// Operations that it does, claiming to be the only one.
    fresh: Vec<u8>,
    /// Operations that an earlier run may have done.
    inherited: Vec<u8>,
    is_superseded: bool,
}

fn follow(me: Claim, before: &[Entry], after: &[Entry]) -> Did {
    let mut outstanding = Outstanding::default();
    let mut holdings = Holdings::new(me, &[shard(0)]);
    for entry in before {
        outstanding.fold(shard(0), entry);
        if let Some(claim) = Claim::stated_in(entry) {
            assert_eq!(holdings.note(shard(0), claim), Meaning::Past, "it is folding");
        }
        assert!(!holdings.has(shard(0)), "it has nothing before the end of the past");
    }
    let claims = holdings.folded(&outstanding) == [shard(0)];
    let (mut fresh, mut inherited, mut is_superseded) = (Vec::new(), Vec::new(), false);
    for entry in after {
        outstanding.fold(shard(0), entry);
        match Claim::stated_in(entry).map(|claim| holdings.note(shard(0), claim)) {
            Some(Meaning::TakenOver) => {
                let left = outstanding.asked_of(shard(0), me.directory());
                inherited.extend(left.map(|request| request.operation_id.as_bytes()[0]));
            }
            Some(Meaning::Superseded) => {
                is_superseded = true;
                break;
            }
            Some(Meaning::Past) | None => {}
        }
        if holdings.has(shard(0)) {
            fresh.extend(entry.events.iter().filter_map(|event| match event {
                Event::GatewayOperationRequested(request) => {
                    Some(request.operation_id.as_bytes()[0])
                }
                _ => None,
            }));
        }
    }
    Did { claims, fresh, inherited, is_superseded }
}

fn check(what: &str, before: &[Entry], after: &[Entry], expected: (bool, &[u8], &[u8], bool)) {
    let (claims, fresh, inherited, is_superseded) = expected;
    let (fresh, inherited) = (fresh.to_vec(), inherited.to_vec());
    let did = follow(claim(1, 11), before, after);
    assert_eq!(did, Did { claims, fresh, inherited, is_superseded }, "{what}");
}

#[test]
fn an_operation_is_done_by_the_claimant_whose_claim_stands_before_it() {
    let (me, earlier, other) = (claim(1, 11), claim(1, 10), claim(2, 20));
    check("an empty journal", &[], &[claimed(me), asked(7)], (true, &[7], &[], false));
    check("before its own claim is back", &[], &[asked(6), claimed(me)], (true, &[], &[], false));
    check(
        "an earlier run left nothing: no claim is needed",
        &[claimed(earlier), asked(5), answered(5)],
        &[asked(6)],
        (false, &[6], &[], false),
    );
    check(
        "an earlier run left something: what its results do not answer is inherited",
        &[claimed(earlier), asked(5), asked(6)],
        &[answered(5), asked(7), claimed(me), asked(8)],
        (true, &[8], &[6, 7], false),
    );
    check(
        "another directory had the shard: what was asked of it is left alone",
        &[claimed(other), asked(5)],
        &[asked(6), claimed(me), asked(7)],
        (true, &[7], &[], false),
    );
    check(
        "it had the shard, lost it and takes it back: each operation has one claimant",
        &[claimed(earlier), asked(4), claimed(other), asked(5)],
        &[claimed(me), asked(6)],
        (true, &[6], &[4], false),
    );
    check(
        "asked before anybody had claimed the shard",
        &[asked(5)],
        &[claimed(me)],
        (true, &[], &[], false),
    );
}

#[test]
fn who_is_superseded_takes_nothing_more() {
    let (me, earlier, other) = (claim(1, 11), claim(1, 10), claim(2, 20));
    check(
        "another one claims",
        &[],
        &[claimed(me), asked(6), claimed(other), asked(7)],
        (true, &[6], &[], true),
    );
    check(
        "another one claims a shard that needed no claim",
        &[claimed(earlier)],
        &[asked(6), claimed(other), asked(7)],
        (false, &[6], &[], true),
    );
    check(
        "another one claims first: the last claim counts",
        &[],
        &[claimed(other), asked(6), claimed(me), asked(7)],
        (true, &[7], &[], false),
    );
    check(
        "claims of the same directory, written twice or late, change nothing",
        &[],
        &[claimed(me), claimed(me), asked(6), claimed(earlier), asked(7)],
        (true, &[6, 7], &[], false),
    );
}

#[test]
fn other_shards_and_other_results_are_no_claims() {
    let (me, other) = (claim(1, 11), claim(2, 20));
    let mut holdings = Holdings::new(me, &[shard(0)]);
    assert_eq!(holdings.folded(&Outstanding::default()), [shard(0)]);
    assert_eq!(holdings.note(shard(0), me), Meaning::TakenOver);
    assert_eq!(holdings.note(shard(1), other), Meaning::Past);
    assert!(!holdings.includes(shard(1)) && !holdings.has(shard(1)));
    assert!(holdings.missing().is_empty());

    let real = |change: fn(&mut GatewayResult), decision| {
        let mut entry = claimed(other);
        if let InputBody::GatewayResult(result) = &mut entry.input.body {
            change(result);
        }
        entry.decision = decision;
        entry
    };
    let refused = Decision::refused("unknown_operation", "");
    assert_eq!(Claim::stated_in(&real(|_| {}, refused.clone())), Some(other));
    assert_eq!(Claim::stated_in(&real(|result| result.operation_seq = 1, refused.clone())), None);
    let notified: fn(&mut GatewayResult) = |result| result.operation = GatewayOperationKind::Notify;
    assert_eq!(Claim::stated_in(&real(notified, refused)), None, "of a payment nobody knows");
    assert_eq!(Claim::stated_in(&real(|_| {}, Decision::accepted())), None);
    assert_eq!(Claim::stated_in(&asked(1)), None);
}

#[test]
fn a_directory_keeps_its_id_and_every_run_has_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("gateway-follower.id");
    let first = Claim::of_directory(&path).expect("written");
    let second = Claim::of_directory(&path).expect("read");
    assert_eq!(first.directory, second.directory);
    assert_ne!(first.run, second.run);
    std::fs::write(&path, "torn").expect("writable");
    let third = Claim::of_directory(&path).expect("written anew");
    assert_ne!(third.directory, first.directory);
}
