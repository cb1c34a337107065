//! Creates the topics of a ledger, and refuses existing ones that would lose or forge records.
//!
//! What a topic must be is a table, [`requirements`], used both ways: to create and to check.
//! Nothing that exists is ever altered: a person decides about that, with the command that the
//! error prints.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use schemas::{PartitionCount, Retention, Topic, TopicName, TopicPrefix};

use super::connection::KafkaConnection;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long every partition may take to get a leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);
const LEADER_POLL: Duration = Duration::from_millis(50);
const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// How much a topic must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicProfile {
    /// One broker, one copy: the loss of the machine loses the ledger.
    Dev,
    /// At least three copies, and a write is acknowledged by at least two.
    Production,
}

impl TopicProfile {
    fn replication(self) -> usize {
        match self {
            Self::Dev => 1,
            Self::Production => 3,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicsReport {
    /// The topics that were missing and were created.
    pub created: Vec<TopicName>,
    /// The topics that were there and are safe.
    pub checked: Vec<TopicName>,
}

/// Topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The broker does not answer.
    #[error("the broker does not answer: {0}")]
    Away(String),
    /// The broker refuses to create a topic.
    #[error("topic {topic} cannot be created: {reason}")]
    NotCreated {
        /// The topic.
        topic: String,
        /// What the broker says.
        reason: String,
    },
    /// Topics exist and are dangerous. All findings are listed.
    #[error("these topics would lose or forge records:\n{}", list(.0))]
    Dangerous(Vec<Finding>),
}

/// One setting of one topic that is dangerous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The topic.
    pub topic: TopicName,
    /// The setting.
    pub setting: &'static str,
    /// What it is.
    pub found: String,
    /// What it must be.
    pub wanted: String,
    /// What a person can do about it.
    pub way_out: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, setting, found, wanted, way_out } = self;
        write!(formatter, "{topic}: {setting} is {found}, it must be {wanted}. {way_out}")
    }
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("  - {finding}")).collect::<Vec<_>>().join("\n")
}

/// What a setting must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Exactly(&'static str),
    AtLeast(i64),
    /// Milliseconds or bytes, where -1 means without a bound.
    UnboundedOrAtLeast(i64),
}

impl Wanted {
    fn value(&self) -> String {
        match self {
            Self::Exactly(value) => (*value).to_owned(),
            Self::AtLeast(number) | Self::UnboundedOrAtLeast(number) => number.to_string(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Exactly(value) => (*value).to_owned(),
            Self::AtLeast(number) => format!("at least {number}"),
            Self::UnboundedOrAtLeast(number) => format!("-1 or at least {number}"),
        }
    }

    fn allows(&self, found: &str) -> bool {
        let number = found.parse::<i64>();
        match self {
            Self::Exactly(value) => found == *value,
            Self::AtLeast(least) => number.is_ok_and(|number| number >= *least),
            Self::UnboundedOrAtLeast(least) => {
                number.is_ok_and(|number| number == -1 || number >= *least)
            }
        }
    }
}

/// What a topic must be, besides its partitions and copies.
fn requirements(topic: Topic, profile: TopicProfile) -> Vec<(&'static str, Wanted)> {
    let bytes = i64::try_from(topic.max_record_bytes()).unwrap_or(i64::MAX);
    let mut settings = vec![
        ("unclean.leader.election.enable", Wanted::Exactly("false")),
        ("max.message.bytes", Wanted::AtLeast(bytes)),
    ];
    if profile == TopicProfile::Production {
        settings.push(("min.insync.replicas", Wanted::AtLeast(2)));
    }
    match topic.retention() {
        Retention::ForEver => settings.extend([
            ("cleanup.policy", Wanted::Exactly("delete")),
            ("retention.ms", Wanted::Exactly("-1")),
            ("retention.bytes", Wanted::Exactly("-1")),
        ]),
        Retention::Days(days) => settings.extend([
            ("cleanup.policy", Wanted::Exactly("delete")),
            ("retention.ms", Wanted::UnboundedOrAtLeast(i64::from(days) * MS_PER_DAY)),
            ("retention.bytes", Wanted::Exactly("-1")),
        ]),
        Retention::Compacted => settings.push(("cleanup.policy", Wanted::Exactly("compact"))),
    }
    if topic.is_stamped_by_broker() {
        settings.push(("message.timestamp.type", Wanted::Exactly("LogAppendTime")));
    }
    settings
}

/// Creates the topics that are missing and checks those that are there. Blocks.
///
/// # Errors
/// [`TopicsError`]; topics that were created stay.
pub fn prepare_topics(
    connection: &KafkaConnection,
    prefix: &TopicPrefix,
    count: PartitionCount,
    profile: TopicProfile,
) -> Result<TopicsReport, TopicsError> {
    let admin: AdminClient<DefaultClientContext> =
        connection.base("admin").create().map_err(|error| away(&error))?;
    let mut report = TopicsReport::default();
    // What this process creates, and what others that start at the same time were faster with.
    let mut new = Vec::new();
    let existing = existing_topics(&admin)?;
    for topic in Topic::ALL {
        let name = topic.name(prefix);
        if existing.contains_key(name.as_str()) {
            report.checked.push(name);
            continue;
        }
        new.push(name.clone());
        if create(&admin, topic, &name, count, profile)? {
            report.created.push(name);
        } else {
            report.checked.push(name);
        }
    }
    wait_for_leaders(&admin, &new)?;
    let findings = check(&admin, prefix, count, profile)?;
    if findings.is_empty() { Ok(report) } else { Err(TopicsError::Dangerous(findings)) }
}

/// Checks the topics and creates none. Blocks. The findings name what is missing, too.
///
/// # Errors
/// [`TopicsError::Away`].
pub fn check_topics(
    connection: &KafkaConnection,
    prefix: &TopicPrefix,
    count: PartitionCount,
    profile: TopicProfile,
) -> Result<Vec<Finding>, TopicsError> {
    let admin: AdminClient<DefaultClientContext> =
        connection.base("admin").create().map_err(|error| away(&error))?;
    check(&admin, prefix, count, profile)
}

type Admin = AdminClient<DefaultClientContext>;

fn away(error: &KafkaError) -> TopicsError {
    TopicsError::Away(error.to_string())
}

/// What the broker says of the shape of a topic.
struct Shape {
    partitions: usize,
    /// The fewest copies of any partition.
    copies: usize,
    has_leaders: bool,
}

fn existing_topics(admin: &Admin) -> Result<HashMap<String, Shape>, TopicsError> {
    let metadata =
        admin.inner().fetch_metadata(None, REQUEST_TIMEOUT).map_err(|error| away(&error))?;
    let shape = |topic: &MetadataTopic| Shape {
        partitions: topic.partitions().len(),
        copies: topic.partitions().iter().map(|p| p.replicas().len()).min().unwrap_or(0),
        has_leaders: topic.partitions().iter().all(|partition| partition.leader() >= 0),
    };
    Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), shape(topic))).collect())
}

/// Creates a topic; false when somebody else was faster.
fn create(
    admin: &Admin,
    topic: Topic,
    name: &TopicName,
    count: PartitionCount,
    profile: TopicProfile,
) -> Result<bool, TopicsError> {
    let refused =
        |reason: String| TopicsError::NotCreated { topic: name.as_str().to_owned(), reason };
    let copies = i32::try_from(profile.replication()).unwrap_or(i32::MAX);
    let settings: Vec<(&str, String)> = requirements(topic, profile)
        .into_iter()
        .map(|(setting, wanted)| (setting, wanted.value()))
        .collect();
    let plan = NewTopic::new(name.as_str(), count.get(), TopicReplication::Fixed(copies));
    let plan = settings.iter().fold(plan, |plan, (setting, value)| plan.set(setting, value));
    let options = AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT));
    let results = block_on(admin.create_topics([&plan], &options)).map_err(|error| away(&error))?;
    match results.into_iter().next() {
        Some(Ok(_)) => Ok(true),
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, code))) => Err(refused(code.to_string())),
        None => Err(refused("the broker gave no answer".to_owned())),
    }
}

fn wait_for_leaders(admin: &Admin, names: &[TopicName]) -> Result<(), TopicsError> {
    let deadline = Instant::now() + LEADER_TIMEOUT;
    loop {
        let existing = existing_topics(admin)?;
        let is_led = |name: &TopicName| {
            existing
                .get(name.as_str())
                .is_some_and(|shape| shape.partitions > 0 && shape.has_leaders)
        };
        if names.iter().all(is_led) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(TopicsError::Away("new topics get no leaders".to_owned()));
        }
        std::thread::sleep(LEADER_POLL);
    }
}

fn check(
    admin: &Admin,
    prefix: &TopicPrefix,
    count: PartitionCount,
    profile: TopicProfile,
) -> Result<Vec<Finding>, TopicsError> {
    let existing = existing_topics(admin)?;
    let mut findings = Vec::new();
    let mut present = Vec::new();
    for topic in Topic::ALL {
        let name = topic.name(prefix);
        match existing.get(name.as_str()) {
            Some(shape) => {
                findings.extend(check_shape(&name, shape, count, profile));
                present.push((topic, name));
            }
            None => findings.push(missing(name)),
        }
    }
    let specifiers: Vec<_> =
        present.iter().map(|(_, name)| ResourceSpecifier::Topic(name.as_str())).collect();
    let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
    let described =
        block_on(admin.describe_configs(&specifiers, &options)).map_err(|error| away(&error))?;
    for ((topic, name), resource) in present.iter().zip(described) {
        let resource = resource.map_err(|code| TopicsError::Away(format!("{name}: {code}")))?;
        let found = resource.entry_map();
        let found = |setting: &str| found.get(setting).and_then(|entry| entry.value.clone());
        findings.extend(check_settings(*topic, name, profile, found));
    }
    Ok(findings)
}

fn missing(topic: TopicName) -> Finding {
    Finding {
        topic,
        setting: "existence",
        found: "missing".to_owned(),
        wanted: "there".to_owned(),
        way_out: "It is created at start when the broker allows it.".to_owned(),
    }
}

fn check_shape(
    name: &TopicName,
    shape: &Shape,
    count: PartitionCount,
    profile: TopicProfile,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let wanted = count.get().to_string();
    let found = shape.partitions.to_string();
    if found != wanted {
        findings.push(Finding {
            topic: name.clone(),
            setting: "partitions",
            way_out: format!(
                "The number is fixed for life, for it decides which shard a wallet lives in: \
                 configure {found} partitions, or another topic prefix."
            ),
            found,
            wanted,
        });
    }
    if shape.copies < profile.replication() {
        findings.push(Finding {
            topic: name.clone(),
            setting: "replication factor",
            found: shape.copies.to_string(),
            wanted: format!("at least {}", profile.replication()),
            way_out: "Add copies with kafka-reassign-partitions.sh, or run profile dev.".to_owned(),
        });
    }
    findings
}

fn check_settings(
    topic: Topic,
    name: &TopicName,
    profile: TopicProfile,
    found: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let judge = |(setting, wanted): (&'static str, Wanted)| {
        let found = found(setting).unwrap_or_else(|| "unset".to_owned());
        (!wanted.allows(&found)).then(|| Finding {
            topic: name.clone(),
            setting,
            found,
            wanted: wanted.text(),
            way_out: format!(
                "Change it: kafka-configs.sh --alter --entity-type topics --entity-name {name} \
                 --add-config {setting}={}",
                wanted.value()
            ),
        })
    };
    requirements(topic, profile).into_iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(topic: Topic) -> TopicName {
        topic.name(&"payments".parse().expect("valid"))
    }

    /// What a topic has that was created by this table, with some settings changed.
    fn findings(topic: Topic, profile: TopicProfile, changed: &[(&str, &str)]) -> Vec<Finding> {
        let mut settings: HashMap<String, String> = requirements(topic, profile)
            .into_iter()
            .map(|(setting, wanted)| (setting.to_owned(), wanted.value()))
            .collect();
        for (setting, value) in changed {
            settings.insert((*setting).to_owned(), (*value).to_owned());
        }
        check_settings(topic, &name(topic), profile, |setting| settings.get(setting).cloned())
    }

    #[test]
    fn a_topic_made_by_the_table_passes_it() {
        for profile in [TopicProfile::Dev, TopicProfile::Production] {
            for topic in Topic::ALL {
                assert_eq!(findings(topic, profile, &[]), [], "{topic}");
            }
        }
    }

    #[test]
    fn every_danger_is_found_and_named() {
        use TopicProfile::{Dev, Production};
        for (topic, profile, setting, value) in [
            (Topic::Journal, Dev, "cleanup.policy", "compact"),
            (Topic::Journal, Dev, "cleanup.policy", "compact,delete"),
            (Topic::Journal, Dev, "retention.ms", "604800000"),
            (Topic::Journal, Dev, "retention.bytes", "1073741824"),
            (Topic::Journal, Dev, "unclean.leader.election.enable", "true"),
            (Topic::Journal, Production, "min.insync.replicas", "1"),
            (Topic::Commands, Dev, "message.timestamp.type", "CreateTime"),
            (Topic::Commands, Dev, "retention.ms", "86400000"),
            (Topic::Commands, Dev, "retention.bytes", "1"),
            (Topic::Commands, Dev, "max.message.bytes", "1048588"),
            (Topic::Keys, Dev, "cleanup.policy", "delete"),
        ] {
            let found = findings(topic, profile, &[(setting, value)]);
            assert_eq!(found.len(), 1, "{topic} {setting}");
            let text = found[0].to_string();
            for part in [name(topic).as_str(), setting, value, "kafka-configs.sh"] {
                assert!(text.contains(part), "{text}");
            }
        }
        assert_eq!(findings(Topic::Commands, Dev, &[("retention.ms", "-1")]), []);
    }

    #[test]
    fn partitions_and_copies_are_counted() {
        let count = PartitionCount::try_from(4).expect("valid");
        let shape = |partitions, copies| Shape { partitions, copies, has_leaders: true };
        let settings = |shape: &Shape, profile| -> Vec<&'static str> {
            let findings = check_shape(&name(Topic::Journal), shape, count, profile);
            findings.iter().map(|finding| finding.setting).collect()
        };
        assert!(settings(&shape(4, 1), TopicProfile::Dev).is_empty());
        assert_eq!(settings(&shape(3, 1), TopicProfile::Dev), ["partitions"]);
        assert_eq!(settings(&shape(4, 2), TopicProfile::Production), ["replication factor"]);
    }
}
