//! The engine on a real broker: topics, commits, restore, fencing, the tail, a broker that dies.
//!
//! One broker for all of it, with a topic prefix for each part: starting one takes seconds.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use schemas::{Offset, Partition, PartitionCount, Topic, TopicPrefix};
use tempfile::TempDir;
use topology::embedded::{Embedded, EmbeddedOptions, Ports, RegistryUse};
use topology::engine;
use topology::engine::application::{Application, EntryRecord};
use topology::engine::clock::SystemClock;
use topology::engine::feed::{Feed, FeedSource};
use topology::engine::follower::Follower;
use topology::engine::governor::Governor;
use topology::engine::kafka::admin::{TopicProfile, TopicsError, prepare_topics};
use topology::engine::kafka::connection::KafkaConnection;
use topology::engine::kafka::ledger::{Ledger, LedgerOptions};
use topology::engine::kafka::log::KafkaLog;
use topology::engine::kafka::producer::{IngressError, IngressLimits, IngressProducer};
use topology::engine::kafka::tail::JournalTail;
use topology::engine::log::{Isolation, Log, LogError, LogRecord};
use topology::engine::memory_store::MemoryStore;
use topology::engine::rocks_options::StoreMemory;
use topology::engine::shard::{Shard, ShardParts, Step, StopSignal};
use topology::engine::state_directory::StateDirectory;
use topology::engine::status::ShardState;
use topology::engine::store::digest;

#[path = "engine/cut_short.rs"]
mod cut_short;
#[path = "engine/fencing.rs"]
mod fencing;
#[path = "engine/late_commit.rs"]
mod late_commit;
#[path = "engine/meddler.rs"]
mod meddler;
#[path = "engine/pause.rs"]
mod pause;
#[path = "../src/engine/tests/tally.rs"]
#[allow(dead_code, missing_docs, reason = "shared with the tests inside the crate")]
mod tally;

use tally::{COUNTERS, Entry, Tally, record};

/// How long anything may take that ought to happen soon, on a busy machine.
const SOON: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_on_a_real_broker() {
    let root = tempfile::tempdir().expect("a directory");
    let broker = Embedded::start(EmbeddedOptions {
        state_directory: root.path().to_owned(),
        preferred_ports: Ports::ANY,
        registry: RegistryUse::LeftOut,
        narrate: |sentence| println!("{sentence}"),
    })
    .await
    .expect("the broker starts");
    let address = broker.bootstrap_servers().to_owned();
    for (part, run) in [
        ("topics", dangerous_topics_are_refused as fn(&House)),
        ("commits", a_small_commit_has_no_delivery_outstanding),
        ("restore", a_restore_reaches_the_newest_entry),
        ("zombie", fencing::a_zombie_is_fenced),
        ("paused", pause::a_pause_ends_with_a_takeover),
        ("unfinished", an_unfinished_kafka_transaction_is_aborted),
        ("cut", cut_short::a_takeover_may_end_at_any_moment),
        ("once", cut_short::a_partition_is_read_once_by_a_reader),
        ("idle", fencing::an_owner_that_writes_nothing_learns_that_it_is_none),
    ] {
        let started = Instant::now();
        let house = House::new(&address, part);
        tokio::task::spawn_blocking(move || run(&house)).await.expect(part);
        println!("{part}: {:?}", started.elapsed());
    }
    late_commit::a_late_end_of_a_kafka_transaction_is_refused(&address).await;
    entries_reach_every_follower(&House::new(&address, "tail")).await;
    cut_short::a_tail_that_is_fed_now_and_then_misses_nothing(&House::new(&address, "fed")).await;
    a_broker_that_dies_costs_nothing(&House::new(&address, "outage"), &broker).await;
    broker.stop().await;
}

/// A ledger of its own on the broker.
struct House {
    connection: KafkaConnection,
    prefix: TopicPrefix,
    count: PartitionCount,
    state: TempDir,
}

impl House {
    fn new(address: &str, name: &str) -> Self {
        Self {
            connection: KafkaConnection::new(address, name),
            prefix: name.parse().expect("a prefix"),
            count: PartitionCount::try_from(2).expect("a count"),
            state: tempfile::tempdir().expect("a directory"),
        }
    }

    fn prepare(&self) {
        let (connection, prefix) = (&self.connection, &self.prefix);
        prepare_topics(connection, prefix, self.count, TopicProfile::Dev).expect("topics");
    }

    fn log(&self) -> KafkaLog {
        KafkaLog::new(&self.connection, &self.prefix, shard(0)).expect("a log")
    }

    fn shard(&self) -> Shard<Tally, KafkaLog, MemoryStore, SystemClock> {
        Shard::new(ShardParts {
            application: Arc::new(Tally::default()),
            log: self.log(),
            store: MemoryStore::new(&[COUNTERS]),
            clock: SystemClock::new(),
            governor: Arc::new(Governor::for_shards(1)),
            journal: Topic::Journal.name(&self.prefix),
            partition: shard(0),
            stop: Arc::new(StopSignal::default()),
            feed: Feed::nowhere(),
        })
    }

    fn ingress(&self) -> IngressProducer {
        let limits = IngressLimits { timeout: Duration::from_secs(2), ..IngressLimits::default() };
        IngressProducer::new(&self.connection, &self.prefix, "ingress", limits).expect("a producer")
    }

    fn ledger(&self, feed: Option<&FeedSource<Entry>>) -> Ledger {
        let options = LedgerOptions {
            connection: self.connection.clone(),
            prefix: self.prefix.clone(),
            shards: Partition::all(self.count).collect(),
            directory: Arc::new(StateDirectory::lock(self.state.path()).expect("free")),
            memory: StoreMemory::of_bytes(16 << 20),
        };
        Ledger::start(&Arc::new(Tally::default()), &options, feed).expect("starts")
    }

    fn tail(&self) -> JournalTail<Tally> {
        let application = Arc::new(Tally::default());
        let partitions = (Partition::all(self.count).collect(), self.count);
        JournalTail::start(&self.connection, &self.prefix, partitions, application).expect("a tail")
    }

    /// Writes so many commands, spread over both shards, and waits until the log has them.
    async fn pipe(&self, ingress: &IngressProducer, count: usize) {
        let sends = (0..count).map(|number| async move {
            let partition = shard(i32::try_from(number % 2).expect("small"));
            let command = record(&format!("{}", number % 10), "add:1");
            ingress.send(Topic::Commands, partition, &command).await.expect("acknowledged")
        });
        futures::future::join_all(sends).await;
    }
}

fn shard(number: i32) -> Partition {
    Partition::new(number).expect("not negative")
}

fn offset(number: i64) -> Offset {
    Offset::new(number).expect("not negative")
}

fn entry(value: &str) -> EntryRecord {
    let record = record("key", value);
    EntryRecord {
        key: record.key.expect("a key"),
        value: record.value.expect("a value"),
        headers: record.headers,
    }
}

/// Takes a shard over, however long the broker lets it wait.
async fn take_over(log: &mut KafkaLog) {
    let deadline = Instant::now() + SOON;
    loop {
        match log.init().await {
            Err(LogError::Retry(_)) if Instant::now() < deadline => {}
            outcome => return outcome.expect("takes over"),
        }
    }
}

/// Steps a shard until it has handled so many entries.
fn step_until(shard: &mut Shard<Tally, KafkaLog, MemoryStore, SystemClock>, seq: u64) {
    let deadline = Instant::now() + SOON;
    while shard.status().snapshot().seq < seq || shard.status().state() != ShardState::Running {
        assert!(Instant::now() < deadline, "{:?}", shard.status().snapshot());
        block_on(shard.step()).expect("goes on");
    }
}

async fn wait_for<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + SOON;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn dangerous_topics_are_refused(house: &House) {
    let prepare = |count: i32, profile| {
        let count = PartitionCount::try_from(count).expect("a count");
        prepare_topics(&house.connection, &house.prefix, count, profile)
    };
    let first = prepare(2, TopicProfile::Dev).expect("creates");
    assert_eq!((first.created.len(), first.checked.len()), (Topic::ALL.len(), 0));
    let again = prepare(2, TopicProfile::Dev).expect("passes its own check");
    assert_eq!((again.created.len(), again.checked.len()), (0, Topic::ALL.len()));

    let Err(TopicsError::Dangerous(findings)) = prepare(3, TopicProfile::Dev) else {
        panic!("another number of partitions passes");
    };
    assert!(findings.iter().all(|finding| finding.setting == "partitions"), "{findings:?}");
    let Err(TopicsError::Dangerous(findings)) = prepare(2, TopicProfile::Production) else {
        panic!("one copy passes for production");
    };
    assert!(findings.iter().any(|finding| finding.setting == "replication factor"));
    assert!(findings.iter().any(|finding| finding.setting == "min.insync.replicas"));

    let other = House::new(&house.connection.bootstrap_servers, "compacted");
    let journal = Topic::Journal.name(&other.prefix);
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &house.connection.bootstrap_servers)
        .create()
        .expect("a client");
    let plan = NewTopic::new(journal.as_str(), 2, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact");
    let results = block_on(admin.create_topics([&plan], &AdminOptions::new())).expect("answers");
    assert!(results[0].is_ok(), "{results:?}");
    let refused = prepare_topics(&other.connection, &other.prefix, other.count, TopicProfile::Dev);
    let text = refused.expect_err("a compacted journal").to_string();
    for part in [journal.as_str(), "cleanup.policy is compact", "it must be delete"] {
        assert!(text.contains(part), "{text}");
    }
}

/// A commit with a delivery report outstanding would take 100 ms. Counted, not timed.
fn a_small_commit_has_no_delivery_outstanding(house: &House) {
    house.prepare();
    let mut log = house.log();
    block_on(async {
        take_over(&mut log).await;
        log.read_journal(Offset::ZERO).await.expect("reads");
        for number in 0..50 {
            log.begin().await.expect("begins");
            log.send_offsets(&[(Topic::Commands, offset(number + 1))]).await.expect("sends");
            log.append(&entry("a")).await.expect("appends");
            log.append(&entry("b")).await.expect("appends");
            let last = log.commit().await.expect("commits");
            // Two entries and a marker each time.
            assert_eq!(last, offset(3 * number + 1));
            let mut shown = 0;
            while shown < 2 {
                match log.poll(SOON).await.expect("polls") {
                    Some(LogRecord::Journal(_)) => shown += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
    });
    let statistics = log.statistics();
    println!("{statistics:?}, {:?} each", statistics.spent / 50);
    assert_eq!((statistics.commits, statistics.with_outstanding_deliveries), (50, 0));
    let committed = block_on(log.committed(&[Topic::Commands])).expect("answers");
    assert_eq!(committed, [Some(offset(50))]);
}

/// The newest entries are committed but their markers may not be written: a restore must see them.
fn a_restore_reaches_the_newest_entry(house: &House) {
    house.prepare();
    let ingress = house.ingress();
    let mut owner = house.shard();
    for round in 1..=5_u64 {
        let before = (round - 1) * 100;
        let command = record("a", "add:1");
        let sends = (0..100).map(|_| ingress.send(Topic::Commands, shard(0), &command));
        let sent = block_on(futures::future::join_all(sends));
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        step_until(&mut owner, before + 100);
        let mut heir = house.shard();
        assert_eq!(block_on(heir.step()).expect("takes over"), Step::TookOver);
        let status = heir.status().snapshot();
        assert_eq!((status.seq, status.restored), (before + 100, before + 100));
        let digests = (digest(owner.store()), digest(heir.store()));
        assert_eq!(digests.0.expect("readable"), digests.1.expect("readable"));
        owner = heir;
    }
    let mut log = house.log();
    let ends = block_on(log.end_offsets(&[Topic::Commands], Isolation::ReadUncommitted));
    assert_eq!(ends.expect("answers"), [offset(500)]);
}

/// A predecessor that died with a Kafka transaction open pins readers until somebody takes over.
fn an_unfinished_kafka_transaction_is_aborted(house: &House) {
    house.prepare();
    let mut dead = house.log();
    block_on(async {
        take_over(&mut dead).await;
        dead.begin().await.expect("begins");
        for _ in 0..10 {
            dead.append(&entry("never")).await.expect("appends");
        }
    });
    let ingress = house.ingress();
    block_on(ingress.send(Topic::Commands, shard(0), &record("a", "add:7"))).expect("acknowledged");
    let mut heir = house.shard();
    step_until(&mut heir, 1);
    assert_eq!(heir.status().snapshot().rebuilds, 0);
}

async fn entries_reach_every_follower(house: &House) {
    house.prepare();
    let ingress = house.ingress();
    let ledger = house.ledger(None);
    let tail = house.tail();
    let mut first = tail.follow("first", Vec::new(), 4);
    house.pipe(&ingress, 2000).await;
    let seen = follow_until(&mut first, 2000).await;
    let positions: Vec<_> = seen.iter().map(|(position, _)| *position).collect();
    let mut sorted = positions.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 2000, "an entry came twice");

    // One joins late from the beginning, one in the middle; the first gets nothing twice.
    let mut late = tail.follow("late", Vec::new(), 4);
    let middle = [500, 500].map(offset).to_vec();
    let mut middle = tail.follow("middle", middle, 4);
    house.pipe(&ingress, 100).await;
    let wanted = seen.iter().filter(|(position, _)| position.1 >= 500).count() + 100;
    // At the same time, for a follower that does not take its entries holds up the others.
    let counts = tokio::join!(
        follow_until(&mut late, 2100),
        follow_until(&mut middle, wanted),
        follow_until(&mut first, 100)
    );
    assert_eq!((counts.0.len(), counts.1.len(), counts.2.len()), (2100, wanted, 100));

    let ends = tail.ends().expect("answers");
    let progress = tail.progress();
    wait_for("the tail is at the end", || async {
        let progress = progress.borrow();
        progress.reached == ends && progress.lag() == Some(0) && progress.connected
    })
    .await;
    let snapshots = || ledger.statuses().iter().map(|status| status.snapshot());
    // The owner's store learns of an entry a little after the tail.
    wait_for("the stores have every entry", || async {
        snapshots().map(|status| status.seq).sum::<u64>() == 2100
    })
    .await;
    let statuses: Vec<_> = snapshots().collect();
    println!("{statuses:?}");
    assert!(statuses.iter().all(|status| status.rebuilds == 0), "{statuses:?}");
    tokio::task::spawn_blocking(move || (tail.stop(), ledger.stop())).await.expect("stops");
}

/// The next so many entries of a follower, with their places.
async fn follow_until(follower: &mut Follower<Entry>, count: usize) -> Vec<((i32, i64), i64)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let next = tokio::time::timeout(SOON, follower.next()).await;
        let batch = next.expect("in time").expect("the tail goes on");
        seen.extend(batch.entries.iter().map(|tailed| {
            let position = tailed.position;
            ((position.partition.number(), position.offset.number()), tailed.entry.balance)
        }));
    }
    seen
}

async fn a_broker_that_dies_costs_nothing(house: &House, broker: &Embedded) {
    house.prepare();
    let ingress = house.ingress();
    let ledger = house.ledger(None);
    let tail = house.tail();
    let mut follower = tail.follow("view", Vec::new(), 64);
    house.pipe(&ingress, 500).await;
    follow_until(&mut follower, 500).await;

    let pid = broker.broker().pid().expect("it runs");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
    wait_for("the producer learns that the broker is away", || async {
        let sent = ingress.send(Topic::Commands, shard(0), &record("probe", "add:0")).await;
        matches!(sent, Err(IngressError::Unknown(_)))
    })
    .await;
    let asked = Instant::now();
    let probes = (0..20).map(|_| async {
        ingress.send(Topic::Commands, shard(0), &record("probe", "add:0")).await
    });
    let answers = futures::future::join_all(probes).await;
    let away = answers.iter().filter(|answer| **answer == Err(IngressError::Away)).count();
    assert!(away >= 19 || answers.iter().any(Result::is_ok), "{answers:?}");
    assert!(asked.elapsed() < Duration::from_secs(10), "an answer takes too long");

    wait_for("the broker is back", || async {
        ingress.send(Topic::Commands, shard(0), &record("probe", "add:0")).await.is_ok()
    })
    .await;
    house.pipe(&ingress, 500).await;
    check_each_input_has_one_entry(house, &ledger).await;
    println!("{:?}", ledger.statuses()[0].snapshot());
    tokio::task::spawn_blocking(move || (tail.stop(), ledger.stop())).await.expect("stops");
}

/// However often the producer wrote a record, the journal has each record of the topic once.
async fn check_each_input_has_one_entry(house: &House, ledger: &Ledger) {
    for (index, status) in ledger.statuses().iter().enumerate() {
        let partition = shard(i32::try_from(index).expect("small"));
        let mut log = KafkaLog::new(&house.connection, &house.prefix, partition).expect("a log");
        let ends = log.end_offsets(&[Topic::Commands], Isolation::ReadUncommitted).await;
        let inputs = u64::try_from(ends.expect("answers")[0].number()).expect("not negative");
        wait_for("every input is handled", || async { status.snapshot().seq == inputs }).await;
    }
    let tail = house.tail();
    let mut follower = tail.follow("auditor", Vec::new(), 64);
    let total: u64 = ledger.statuses().iter().map(|status| status.snapshot().seq).sum();
    let total = usize::try_from(total).expect("small");
    let mut by_source: HashMap<String, usize> = HashMap::new();
    let mut seen = 0;
    while seen < total {
        let next = tokio::time::timeout(SOON, follower.next()).await;
        for tailed in next.expect("in time").expect("the tail goes on").entries {
            let header = Tally::default().header(&tailed.entry);
            *by_source.entry(format!("{:?}", header.source)).or_default() += 1;
            seen += 1;
        }
    }
    assert!(by_source.values().all(|count| *count == 1), "an input has two entries");
    tokio::task::spawn_blocking(move || tail.stop()).await.expect("stops");
}
