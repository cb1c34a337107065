//! The graph of a product as a value: sub-topologies, sources, nodes, stores, sinks, followers.
//!
//! In the vocabulary of Kafka Streams. The value runs nothing: `describe` prints it as a text,
//! `mermaid` as a picture, and `validate` finds what cannot be right. A *ledger* sub-topology reads
//! input topics and writes the journal, nothing else; a *follower* sub-topology reads the journal
//! and writes whatever follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use schemas::Topic;

/// A graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    name: &'static str,
    sub_topologies: Vec<SubTopology>,
}

/// What a part of the graph is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Decides inputs into entries, exactly once, one shard for each partition.
    Ledger,
    /// Derives effects from the journal, at least once.
    Follower,
}

/// A connected part of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubTopology {
    name: &'static str,
    role: Role,
    /// Which role a process must have to run it.
    run_by: Option<&'static str>,
    nodes: Vec<Node>,
}

/// A node, and the nodes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    name: &'static str,
    kind: NodeKind,
    after: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum NodeKind {
    Source(Topic),
    Processor { stores: Vec<&'static str> },
    Store,
    Sink(Target),
}

/// Where a sink writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A topic.
    Topic(Topic),
    /// Something outside of Kafka, named for people.
    World(&'static str),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => topic.fmt(formatter),
            Self::World(name) => formatter.write_str(name),
        }
    }
}

/// What is wrong with a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyFault {
    /// Two nodes or sub-topologies have one name.
    #[error("the name {0} is used twice")]
    NameUsedTwice(&'static str),
    /// A node names one before it, or a store, that its sub-topology does not have.
    #[error("{node} refers to {missing}, which is not in its sub-topology")]
    Unknown {
        /// The node.
        node: &'static str,
        /// What it names.
        missing: &'static str,
    },
    /// A processor or sink has nothing before it, or something that cannot be there.
    #[error("{0} gets nothing to work on")]
    NothingBefore(&'static str),
    /// A source or processor has nothing after it and writes no store.
    #[error("what {0} gives is used by nobody")]
    NothingAfter(&'static str),
    /// A store that no processor uses.
    #[error("the store {0} is used by nobody")]
    StoreUnused(&'static str),
    /// Following the arrows leads back to the node.
    #[error("{0} works on its own result")]
    Circle(&'static str),
    /// A ledger must write the journal, once, and nothing else.
    #[error("the ledger {0} must have exactly one sink, the journal")]
    LedgerSinks(&'static str),
    /// A ledger reads input topics; the journal reaches it through its store.
    #[error("the ledger {ledger} reads {topic}, which is no input")]
    LedgerSource {
        /// The sub-topology.
        ledger: &'static str,
        /// What it reads.
        topic: Topic,
    },
    /// A topic is read by two ledgers: its records would be decided twice.
    #[error("{0} is read by two ledgers")]
    ReadTwice(Topic),
    /// A follower follows the journal.
    #[error("the follower {0} must read the journal and nothing else")]
    FollowerSource(&'static str),
    /// The journal has one writer.
    #[error("the follower {0} writes the journal")]
    FollowerWritesJournal(&'static str),
}

impl Topology {
    /// An empty graph.
    pub fn new(name: &'static str) -> Self {
        Self { name, sub_topologies: Vec::new() }
    }

    /// The graph with one more part.
    #[must_use]
    pub fn with(mut self, sub_topology: SubTopology) -> Self {
        self.sub_topologies.push(sub_topology);
        self
    }

    /// Its parts.
    pub fn sub_topologies(&self) -> &[SubTopology] {
        &self.sub_topologies
    }

    /// Everything that is wrong with the graph; empty when nothing is.
    pub fn validate(&self) -> Vec<TopologyFault> {
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        let mut read = BTreeSet::new();
        for part in &self.sub_topologies {
            let own = part.nodes.iter().map(|node| node.name);
            for name in own.chain([part.name]) {
                if !names.insert(name) {
                    faults.push(TopologyFault::NameUsedTwice(name));
                }
            }
            part.check_edges(&mut faults);
            part.check_role(&mut faults);
            for topic in part.sources().filter(|_| part.role == Role::Ledger) {
                if !read.insert(topic.label()) {
                    faults.push(TopologyFault::ReadTwice(topic));
                }
            }
        }
        faults
    }

    /// The graph as a text, in the layout that `TopologyDescription` of Kafka Streams has.
    pub fn describe(&self) -> String {
        let mut text = format!("Topology: {}\n", self.name);
        for (number, part) in self.sub_topologies.iter().enumerate() {
            // Writing to a string cannot fail.
            let (name, role) = (part.name, part.role);
            let run_by = part.run_by.map(|role| format!("; run by {role}")).unwrap_or_default();
            let _ = writeln!(text, "  Sub-topology: {number} {name} ({role}{run_by})");
            for node in &part.nodes {
                let _ = writeln!(text, "    {}", part.describe_node(node));
            }
        }
        text
    }

    /// The graph as a mermaid flow chart.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let mut topics = BTreeMap::new();
        for part in &self.sub_topologies {
            let _ = writeln!(text, "  subgraph {}", part.name);
            for node in &part.nodes {
                let shape = match node.kind {
                    NodeKind::Store => format!("{0}[({0})]", node.name),
                    NodeKind::Source(_) | NodeKind::Processor { .. } | NodeKind::Sink(_) => {
                        format!("{0}[{0}]", node.name)
                    }
                };
                let _ = writeln!(text, "    {shape}");
            }
            text.push_str("  end\n");
            for node in &part.nodes {
                for line in node.arrows(&mut topics) {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        for (id, name) in topics {
            let _ = writeln!(text, "  {id}>{name}]");
        }
        text
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ledger => "ledger, exactly once",
            Self::Follower => "follower, at least once",
        })
    }
}

impl SubTopology {
    /// A part that decides inputs into entries.
    pub fn ledger(name: &'static str) -> Self {
        Self { name, role: Role::Ledger, run_by: None, nodes: Vec::new() }
    }

    /// A part that derives effects from the journal.
    pub fn follower(name: &'static str) -> Self {
        Self { name, role: Role::Follower, run_by: None, nodes: Vec::new() }
    }

    /// The part, run by processes with this role.
    #[must_use]
    pub fn run_by(mut self, process: &'static str) -> Self {
        self.run_by = Some(process);
        self
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The part with a source: reads a topic.
    #[must_use]
    pub fn source(self, name: &'static str, topic: Topic) -> Self {
        self.node(name, NodeKind::Source(topic), &[])
    }

    /// The part with a store, which processors name.
    #[must_use]
    pub fn store(self, name: &'static str) -> Self {
        self.node(name, NodeKind::Store, &[])
    }

    /// The part with a processor, which works on what the nodes before it give.
    #[must_use]
    pub fn processor(
        self,
        name: &'static str,
        after: &[&'static str],
        stores: &[&'static str],
    ) -> Self {
        self.node(name, NodeKind::Processor { stores: stores.to_vec() }, after)
    }

    /// The part with a sink, which writes what the nodes before it give.
    #[must_use]
    pub fn sink(self, name: &'static str, after: &[&'static str], target: Target) -> Self {
        self.node(name, NodeKind::Sink(target), after)
    }

    /// The topics it reads.
    pub fn sources(&self) -> impl Iterator<Item = Topic> + '_ {
        self.nodes.iter().filter_map(|node| match node.kind {
            NodeKind::Source(topic) => Some(topic),
            NodeKind::Processor { .. } | NodeKind::Store | NodeKind::Sink(_) => None,
        })
    }

    fn sinks(&self) -> impl Iterator<Item = Target> + '_ {
        self.nodes.iter().filter_map(|node| match node.kind {
            NodeKind::Sink(target) => Some(target),
            NodeKind::Source(_) | NodeKind::Processor { .. } | NodeKind::Store => None,
        })
    }

    fn node(mut self, name: &'static str, kind: NodeKind, after: &[&'static str]) -> Self {
        self.nodes.push(Node { name, kind, after: after.to_vec() });
        self
    }

    fn find(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    fn after(&self, name: &str) -> Vec<&'static str> {
        let next = self.nodes.iter().filter(|node| node.after.contains(&name));
        next.map(|node| node.name).collect()
    }

    fn check_edges(&self, faults: &mut Vec<TopologyFault>) {
        for node in &self.nodes {
            let name = node.name;
            let stores = node.stores();
            let is_store = |name: &str| self.find(name).is_some_and(Node::is_store);
            let flows = |name: &str| self.find(name).is_some_and(Node::gives);
            let unknown = node.after.iter().filter(|before| !flows(before));
            let unknown = unknown.chain(stores.iter().filter(|store| !is_store(store)));
            faults.extend(unknown.map(|missing| TopologyFault::Unknown { node: name, missing }));
            let used = || self.nodes.iter().any(|other| other.stores().contains(&name));
            match &node.kind {
                NodeKind::Store if !used() => faults.push(TopologyFault::StoreUnused(name)),
                NodeKind::Processor { .. } | NodeKind::Sink(_) if node.after.is_empty() => {
                    faults.push(TopologyFault::NothingBefore(name));
                }
                NodeKind::Source(_) if self.after(name).is_empty() => {
                    faults.push(TopologyFault::NothingAfter(name));
                }
                NodeKind::Processor { stores } if self.after(name).is_empty() => {
                    if stores.is_empty() {
                        faults.push(TopologyFault::NothingAfter(name));
                    }
                }
                NodeKind::Source(_)
                | NodeKind::Processor { .. }
                | NodeKind::Store
                | NodeKind::Sink(_) => {}
            }
            if self.leads_to(name, name) {
                faults.push(TopologyFault::Circle(name));
            }
        }
    }

    /// Whether following the arrows from one node leads to another.
    fn leads_to(&self, from: &'static str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = self.after(from);
        while let Some(name) = open.pop() {
            if name == to {
                return true;
            }
            if seen.insert(name) {
                open.extend(self.after(name));
            }
        }
        false
    }

    fn check_role(&self, faults: &mut Vec<TopologyFault>) {
        let sinks: Vec<_> = self.sinks().collect();
        match self.role {
            Role::Ledger => {
                if sinks != [Target::Topic(Topic::Journal)] {
                    faults.push(TopologyFault::LedgerSinks(self.name));
                }
                let odd = self.sources().filter(|topic| !Topic::INPUTS.contains(topic));
                let ledger = self.name;
                faults.extend(odd.map(|topic| TopologyFault::LedgerSource { ledger, topic }));
            }
            Role::Follower => {
                if self.sources().collect::<Vec<_>>() != [Topic::Journal] {
                    faults.push(TopologyFault::FollowerSource(self.name));
                }
                if sinks.contains(&Target::Topic(Topic::Journal)) {
                    faults.push(TopologyFault::FollowerWritesJournal(self.name));
                }
            }
        }
    }

    fn describe_node(&self, node: &Node) -> String {
        let list = |names: &[&str]| {
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let (before, after) = (list(&node.after), list(&self.after(node.name)));
        match &node.kind {
            NodeKind::Source(topic) => {
                format!("Source: {} (topic: {topic})\n      --> {after}", node.name)
            }
            NodeKind::Processor { stores } => format!(
                "Processor: {} (stores: {})\n      --> {after}\n      <-- {before}",
                node.name,
                list(stores)
            ),
            NodeKind::Store => format!("Store: {}", node.name),
            NodeKind::Sink(target @ Target::Topic(_)) => {
                format!("Sink: {} (topic: {target})\n      <-- {before}", node.name)
            }
            NodeKind::Sink(target @ Target::World(_)) => {
                format!("Sink: {} (outside: {target})\n      <-- {before}", node.name)
            }
        }
    }
}

impl Node {
    fn stores(&self) -> &[&'static str] {
        match &self.kind {
            NodeKind::Processor { stores } => stores,
            NodeKind::Source(_) | NodeKind::Store | NodeKind::Sink(_) => &[],
        }
    }

    fn is_store(&self) -> bool {
        self.kind == NodeKind::Store
    }

    /// Whether something can come after it.
    fn gives(&self) -> bool {
        matches!(self.kind, NodeKind::Source(_) | NodeKind::Processor { .. })
    }

    /// The arrows to this node and from it to topics, which are noted by their id.
    fn arrows(&self, topics: &mut BTreeMap<String, String>) -> Vec<String> {
        let mut outside = |name: String| {
            let id = format!("out_{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
            topics.insert(id.clone(), name);
            id
        };
        let mut lines: Vec<_> =
            self.after.iter().map(|before| format!("{before} --> {}", self.name)).collect();
        match &self.kind {
            NodeKind::Source(topic) => {
                lines.push(format!("{} --> {}", outside(topic.to_string()), self.name));
            }
            NodeKind::Sink(target) => {
                lines.push(format!("{} --> {}", self.name, outside(target.to_string())));
            }
            NodeKind::Processor { stores } => {
                lines.extend(stores.iter().map(|store| format!("{} --- {store}", self.name)));
            }
            NodeKind::Store => {}
        }
        lines
    }
}
