//! The payments graph, on one page: what flows from where to where, as a value.
//!
//! `holdfast describe` prints it, the runtime refuses to start when it does not validate, and tests
//! hold it against what the ledger really reads and keeps.

use schemas::Topic;

use crate::engine::topology_description::{SubTopology, Target, Topology};
use crate::roles::Role;

/// The graph of the product.
pub fn topology() -> Topology {
    Topology::new("payments").with(ledger()).with(gateway()).with(views())
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
        .store("deposits")
        .store("references")
        .processor(
            "decide",
            &["gateway-results", "transfers", "operations", "commands"],
            &["wallets", "accounts", "payments", "deposits", "references"],
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
