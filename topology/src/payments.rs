//! The payments graph, on one page: what flows from where to where, as a value.
//!
//! `holdfast describe` prints it, the runtime refuses to start when it does not validate, and tests
//! hold it against what the ledger really reads and keeps.

use schemas::Topic;

use crate::engine::topology_description::{SubTopology, Target, Topology};
use crate::roles::Role;

/// The graph of the product.
pub fn topology() -> Topology {
    Topology::new("payments")
        .with(ledger())
        .with(gateway())
        .with(transfers())
        .with(dead_letters())
        .with(views())
}

/// Wallets and payment sagas, co-partitioned by wallet id: one input becomes one entry.
fn ledger() -> SubTopology {
    SubTopology::ledger("ledger")
        .run_by(Role::Ledger.label())
        .source("gateway-results", Topic::GatewayResults)
        .source("transfers", Topic::Transfers)
        .source("operations", Topic::Operations)
        .source("commands", Topic::Commands)
        .store("wallets")
        .store("accounts")
        .store("payments")
        .store("facts")
        .store("references")
        .store("refunds")
        .store("transfer-state")
        .store("receipts")
        .store("policy")
        .store("orphans")
        .processor(
            "decide",
            &["gateway-results", "transfers", "operations", "commands"],
            &[
                "wallets",
                "accounts",
                "payments",
                "facts",
                "references",
                "refunds",
                "transfer-state",
                "receipts",
                "policy",
                "orphans",
            ],
        )
        .sink("journal", &["decide"], Target::Topic(Topic::Journal))
}

/// Does at gateways what the journal asks for, and reports what came of it.
fn gateway() -> SubTopology {
    SubTopology::follower("gateway-follower")
        .run_by(Role::Gateway.label())
        .source("journal-for-gateway", Topic::Journal)
        .store("outstanding")
        .processor("ask", &["journal-for-gateway"], &["outstanding"])
        .sink("gateway", &["ask"], Target::World("payment gateway"))
        .sink("results", &["ask"], Target::Topic(Topic::GatewayResults))
}

/// Brings the legs of transfers to the shards that must act.
fn transfers() -> SubTopology {
    SubTopology::follower("transfer-follower")
        .run_by(Role::Ledger.label())
        .source("journal-for-transfers", Topic::Journal)
        .processor("forward", &["journal-for-transfers"], &[])
        .sink("legs", &["forward"], Target::Topic(Topic::Transfers))
}

/// Shows people what nobody could read.
fn dead_letters() -> SubTopology {
    SubTopology::follower("dead-letter-follower")
        .run_by(Role::Ledger.label())
        .source("journal-for-dead-letters", Topic::Journal)
        .processor("set-aside", &["journal-for-dead-letters"], &[])
        .sink("letters", &["set-aside"], Target::Topic(Topic::DeadLetters))
}

/// Folds the journal into the rows that the API answers from.
fn views() -> SubTopology {
    SubTopology::follower("views")
        .run_by(Role::Api.label())
        .source("journal-for-views", Topic::Journal)
        .store("rows")
        .processor("project", &["journal-for-views"], &["rows"])
        .sink("answers", &["project"], Target::World("HTTP API"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger_state::COLUMNS;

    #[test]
    fn the_graph_is_valid() {
        assert_eq!(topology().validate(), []);
    }

    #[test]
    fn the_ledger_reads_every_input() {
        assert_eq!(ledger().sources().collect::<Vec<_>>(), Topic::INPUTS);
    }

    #[test]
    fn the_ledger_keeps_what_the_graph_shows() {
        let text = topology().describe();
        for column in COLUMNS {
            assert!(text.contains(column), "{column}");
        }
    }
}
