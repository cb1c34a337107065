//! The graph as a value: what is printed, and every fault that is found.

use schemas::Topic;

use crate::engine::topology_description::{SubTopology, Target, Topology, TopologyFault};

const JOURNAL: Target = Target::Topic(Topic::Journal);

fn ledger() -> SubTopology {
    SubTopology::ledger("ledger")
        .source("commands-in", Topic::Commands)
        .source("results-in", Topic::GatewayResults)
        .store("wallets")
        .processor("decide", &["commands-in", "results-in"], &["wallets"])
        .sink("journal-out", &["decide"], JOURNAL)
}

fn follower() -> SubTopology {
    SubTopology::follower("gateway")
        .source("journal-in", Topic::Journal)
        .store("outstanding")
        .processor("call", &["journal-in"], &["outstanding"])
        .sink("psp", &["call"], Target::World("payment provider"))
        .sink("results-out", &["call"], Target::Topic(Topic::GatewayResults))
}

#[test]
fn a_sound_graph_has_no_faults() {
    let topology = Topology::new("payments").with(ledger()).with(follower());
    assert_eq!(topology.validate(), []);
}

#[test]
fn every_fault_is_found() {
    use TopologyFault::{
        Circle, FollowerSource, FollowerWritesJournal, LedgerSinks, LedgerSource, NameUsedTwice,
        NothingAfter, NothingBefore, ReadTwice, StoreUnused, Unknown,
    };
    let table = [
        (vec![ledger(), ledger()], vec![NameUsedTwice("ledger"), NameUsedTwice("decide")]),
        (vec![ledger().store("spare")], vec![StoreUnused("spare")]),
        (vec![ledger().source("deaf", Topic::Transfers)], vec![NothingAfter("deaf")]),
        (vec![ledger().processor("lost", &[], &["wallets"])], vec![NothingBefore("lost")]),
        (vec![ledger().processor("idle", &["decide"], &[])], vec![NothingAfter("idle")]),
        (
            vec![ledger().processor("typo", &["decode"], &["wallet"])],
            vec![
                Unknown { node: "typo", missing: "decode" },
                Unknown { node: "typo", missing: "wallet" },
            ],
        ),
        (
            vec![ledger().processor("odd", &["journal-out"], &["wallets"])],
            vec![Unknown { node: "odd", missing: "journal-out" }],
        ),
        (
            vec![ledger().processor("again", &["decide", "again"], &["wallets"])],
            vec![Circle("again")],
        ),
        (
            vec![ledger().sink("more", &["decide"], Target::Topic(Topic::Commands))],
            vec![LedgerSinks("ledger")],
        ),
        (
            vec![ledger().source("own", Topic::Journal).processor("echo", &["own"], &["wallets"])],
            vec![LedgerSource { ledger: "ledger", topic: Topic::Journal }],
        ),
        (
            vec![
                ledger(),
                SubTopology::ledger("twin").source("twin-in", Topic::Commands).sink(
                    "twin-out",
                    &["twin-in"],
                    JOURNAL,
                ),
            ],
            vec![ReadTwice(Topic::Commands)],
        ),
        (
            vec![follower().source("more", Topic::Commands).sink(
                "out",
                &["more"],
                Target::World("x"),
            )],
            vec![FollowerSource("gateway")],
        ),
        (
            vec![follower().sink("forged", &["call"], JOURNAL)],
            vec![FollowerWritesJournal("gateway")],
        ),
    ];
    for (parts, wanted) in table {
        let topology = parts.into_iter().fold(Topology::new("payments"), Topology::with);
        let faults = topology.validate();
        for fault in wanted {
            assert!(faults.contains(&fault), "{fault}: {faults:?}");
        }
    }
}

#[test]
fn a_graph_prints_like_one_of_kafka_streams() {
    let text = Topology::new("payments").with(ledger()).describe();
    let wanted = "Topology: payments
  Sub-topology: 0 ledger (ledger, exactly once)
    Source: commands-in (topic: commands)
      --> decide
    Source: results-in (topic: gateway-results)
      --> decide
    Store: wallets
    Processor: decide (stores: wallets)
      --> journal-out
      <-- commands-in, results-in
    Sink: journal-out (topic: journal)
      <-- decide
";
    assert_eq!(text, wanted);
}

#[test]
fn a_graph_draws_as_mermaid() {
    let text = Topology::new("payments").with(ledger()).with(follower()).mermaid();
    for line in [
        "flowchart LR",
        "  subgraph ledger",
        "    wallets[(wallets)]",
        "  out_commands --> commands-in",
        "  commands-in --> decide",
        "  decide --- wallets",
        "  journal-out --> out_journal",
        "  out_journal --> journal-in",
        "  psp --> out_payment_provider",
        "  out_payment_provider>payment provider]",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
    }
}
