//! Stores that are not what the journal gives: behind it, ahead of it, of another shard or another
//! installation, or damaged. Each is noticed, and rebuilt or refused with the reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use reqwest::Method;
use schemas::Topic;
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::installation::Installation;
use tests::stores::{Rows, assert_same_rows, rows, stores};
use tests::wait::eventually;

/// From a change to what follows from it.
const SOON: Duration = Duration::from_mins(1);
/// So many wallets are on both shards, as good as surely.
const WALLETS: usize = 12;
/// What is in each of them at first, and what is paid from it at a time, minor units.
const DEPOSIT: i64 = 10_000;
const AMOUNT: i64 = 100;

/// An installation, stopped, with payments behind it.
struct Settled {
    installation: Installation,
    wallets: Vec<Wallet>,
    /// From each of them.
    payments: i64,
    rows: Rows,
}

/// What a start finds wrong, and shows.
#[derive(Debug, Clone, Copy)]
enum Noticed {
    /// Nothing.
    Nothing,
    /// Something that it says in its log.
    Logged(&'static str),
    /// That the store of the second shard lacks the newest entries.
    Behind,
}

const MOVED_ASIDE: Noticed = Noticed::Logged("A store is moved aside and rebuilt");
const VIEW_REBUILT: Noticed = Noticed::Logged("A view is unreadable; rebuilding.");

impl Settled {
    async fn start(name: &str) -> Self {
        let mut installation = Installation::start(name).await;
        let caller = installation.caller();
        let mut wallets = Vec::new();
        for _ in 0..WALLETS {
            wallets.push(caller.wallet_with(DEPOSIT).await);
        }
        assert_eq!(installation.stop().await, "exit code 0");
        let rows = rows(&installation.state_directory());
        let mut settled = Self { installation, wallets, payments: 0, rows };
        settled.pays().await;
        // Once more, so that what was written stands in sorted files too.
        settled.comes_back(Noticed::Nothing).await;
        settled
    }

    fn state(&self) -> PathBuf {
        self.installation.state_directory()
    }

    /// Starts and stops: with the same rows and the same money as before, and this noticed at that
    /// start.
    async fn comes_back(&mut self, noticed: Noticed) {
        let before = self.installation.log().len();
        self.installation.run().await;
        self.check_money().await;
        match noticed {
            Noticed::Nothing => {}
            Noticed::Logged(text) => {
                let log = self.installation.log().split_off(before);
                assert!(log.contains(text), "{text:?} is not in:\n{log}");
            }
            Noticed::Behind => {
                let restored = restored(&self.installation.caller()).await;
                assert!(restored > 0, "no entry was restored");
            }
        }
        assert_eq!(self.installation.stop().await, "exit code 0");
        remove_asides(&self.state());
        assert_same_rows(&self.rows, &rows(&self.state()));
    }

    /// Starts, pays from each wallet, and stops: what was written before that stands in sorted
    /// files then, what was paid in the log of the store.
    async fn pays(&mut self) {
        self.installation.run().await;
        let caller = self.installation.caller();
        for wallet in &self.wallets {
            caller.pay(wallet, AMOUNT, &new_key()).await.expect(201);
        }
        self.payments += 1;
        assert_eq!(self.installation.stop().await, "exit code 0");
        remove_asides(&self.state());
        self.rows = rows(&self.state());
    }

    /// Payments go on, and the stores then are those that a rebuild from nothing gives.
    async fn goes_on(&mut self) {
        self.pays().await;
        for store in stores(&self.state()) {
            fs::remove_dir_all(store).expect("it is there");
        }
        self.comes_back(Noticed::Nothing).await;
    }

    async fn check_money(&self) {
        let caller = self.installation.caller();
        for wallet in &self.wallets {
            let wanted = Numbers::settled(DEPOSIT - self.payments * AMOUNT);
            assert_eq!(caller.numbers(wallet).await, wanted, "{wallet:?}");
        }
    }

    async fn check(mut self) {
        self.installation.run().await;
        self.check_money().await;
        let report = self.installation.assert_clean_audit().await;
        let completed = u64::try_from(self.payments).expect("few") * WALLETS as u64;
        assert_eq!(report.totals.payments.completed, completed);
    }
}

/// How many entries the second shard has folded to come to the end of the journal.
async fn restored(caller: &Caller) -> u64 {
    let answer = caller.get("/metrics").await.expect(200);
    let lines = answer.body.as_str().expect("text").lines();
    let mut counts = lines.filter_map(|line| {
        let count = line.strip_prefix(r#"holdfast_restored_entries_total{shard="1"} "#)?;
        Some(count.parse::<u64>().expect("a number"))
    });
    counts.next().expect("it is counted")
}

/// What was found wrong is kept for a person to look at. It is no store any more.
fn remove_asides(state: &Path) {
    for entry in fs::read_dir(state).expect("a directory") {
        let path = entry.expect("it is listed").path();
        if path.extension().is_some_and(|extension| extension == "aside") {
            fs::remove_dir_all(path).expect("a directory");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("it is listed");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a file");
        }
    }
}

/// The stores of the shards, by number.
fn shards(state: &Path) -> [PathBuf; 2] {
    ["shard-0", "shard-1"].map(|name| state.join(name))
}

/// The files of a store whose names begin, or end, like this, and that hold something.
fn files(store: &Path, part: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(store).expect("a directory").map(|entry| entry.expect("listed"));
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name.starts_with(part) || name.ends_with(part))
            && fs::metadata(path).expect("a file").len() > 0
    };
    let files: Vec<_> = entries.map(|entry| entry.path()).filter(is_wanted).collect();
    assert!(!files.is_empty(), "{} has no {part}", store.display());
    files
}

/// Flips a bit of the byte at this place of the file, in percent of its length.
fn damage(file: &Path, percent: usize) {
    let mut bytes = fs::read(file).expect("readable");
    let place = (bytes.len() - 1) * percent / 100;
    bytes[place] ^= 0x40;
    fs::write(file, bytes).expect("writable");
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_behind_the_journal_catch_up_and_those_of_other_shards_are_rebuilt() {
    let mut settled = Settled::start("stores-behind").await;
    let (state, earlier) = (settled.state(), settled.state().with_extension("earlier"));
    copy(&state, &earlier);
    settled.goes_on().await;

    // Everything as it was some entries ago: stores, views, the follower's checkpoint.
    fs::remove_dir_all(&state).expect("it is there");
    fs::rename(&earlier, &state).expect("it is there");
    settled.comes_back(Noticed::Nothing).await;
    // One store as it was, the rest as it is.
    let [first, second] = shards(&state);
    copy(&first, &earlier);
    settled.goes_on().await;
    fs::remove_dir_all(&first).expect("it is there");
    fs::rename(&earlier, &first).expect("it is there");
    settled.comes_back(Noticed::Nothing).await;

    fs::rename(&first, &earlier).expect("it is there");
    fs::rename(&second, &first).expect("it is there");
    fs::rename(&earlier, &second).expect("it is there");
    settled.comes_back(Noticed::Logged("it is the store of")).await;
    settled.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_a_flipped_bit_is_rebuilt() {
    let mut settled = Settled::start("stores-damaged").await;
    for (part, percent, noticed) in [
        ("CURRENT", 50, MOVED_ASIDE),
        ("MANIFEST", 50, MOVED_ASIDE),
        // The first block, one in the middle, and the footer. Nobody asks for most of these rows.
        (".sst", 0, MOVED_ASIDE),
        (".sst", 50, MOVED_ASIDE),
        (".sst", 100, MOVED_ASIDE),
        // A log that ends early is a store that is behind.
        (".log", 20, Noticed::Behind),
        (".log", 50, Noticed::Behind),
        (".log", 90, Noticed::Behind),
    ] {
        settled.pays().await;
        let [_, second] = shards(&settled.state());
        for file in files(&second, part) {
            damage(&file, percent);
        }
        settled.comes_back(noticed).await;
    }
    settled.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_views_are_rebuilt() {
    let mut settled = Settled::start("views-damaged").await;
    let views = settled.state().join("views");
    for (part, percent) in
        [("CURRENT", 50), ("MANIFEST", 50), (".sst", 0), (".sst", 50), (".sst", 100)]
    {
        for file in stores(&views).iter().flat_map(|store| files(store, part)) {
            damage(&file, percent);
        }
        settled.comes_back(VIEW_REBUILT).await;
    }
    settled.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_another_journal_is_thrown_away() {
    let mut other = Settled::start("stores-other").await;
    let mut installation = Installation::start("stores-own").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    caller.pay(&wallet, 100, &new_key()).await.expect(201);
    assert_eq!(installation.stop().await, "exit code 0");
    let (own, foreign) = (installation.state_directory(), other.state());

    // It may end with a named error first: a supervisor starts it again.
    fs::remove_dir_all(&own).expect("it is there");
    copy(&foreign, &own);
    run_supervised(&mut installation).await;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(9_900));
    caller.pay(&wallet, 100, &new_key()).await.expect(201);
    assert_eq!(installation.stop().await, "exit code 0");
    assert!(installation.log().contains("it is the store of"), "it noticed");
    fs::remove_dir_all(&own).expect("it is there");
    run_supervised(&mut installation).await;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(9_800));
    installation.assert_clean_audit().await;
    other.comes_back(Noticed::Nothing).await;
}

/// Starts until it is ready, as a supervisor would.
async fn run_supervised(installation: &mut Installation) {
    const STARTS: usize = 3;
    installation.launch();
    let (caller, mut starts) = (installation.caller(), 1);
    eventually(SOON, "the application is ready, after some starts", async || {
        if !installation.is_running() {
            starts += 1;
            assert!(starts <= STARTS, "it ends again and again");
            installation.launch();
        }
        let answer = caller.send(Method::GET, "/ready", &[], Vec::new()).await;
        match answer {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(other.map(|answer| answer.body)),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_ahead_of_a_log_that_was_made_anew_are_thrown_away() {
    let mut installation = Installation::start("stores-ahead").await;
    let caller = installation.caller();
    for _ in 0..WALLETS {
        caller.wallet_with(1_000).await;
    }
    assert_eq!(installation.stop().await, "exit code 0");
    delete_topics(&installation).await;
    run_supervised(&mut installation).await;
    let wallet = caller.wallet_with(10_000).await;
    caller.pay(&wallet, 100, &new_key()).await.expect(201);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(9_900));
    assert!(installation.log().contains("entries were lost, or the journal was made anew"));
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.completed, 1);
}

/// The log as if it had never been.
async fn delete_topics(installation: &Installation) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &installation.cluster().bootstrap_servers)
        .create()
        .expect("a client");
    let names: Vec<_> =
        Topic::ALL.iter().map(|topic| topic.name(installation.prefix()).to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    eventually(SOON, "the topics are gone", async || {
        let deleted = admin.delete_topics(&names, &AdminOptions::new()).await;
        let results = deleted.expect("the broker answers");
        // Deleted once, they are unknown the next time.
        if results.iter().all(Result::is_err) { Ok(()) } else { Err(results) }
    })
    .await;
}
