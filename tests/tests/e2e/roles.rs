//! Roles in processes of their own: they add up to the whole product, each can be killed or asked
//! to stop while it is used, and two that get in each other's way are told apart by the log.

use std::process::{Command, Output};

use nix::sys::signal::Signal;
use schemas::{Partition, PartitionCount, WalletId};
use tests::caller::{Answer, Caller, PATIENT, Wallet, new_key, payment};
use tests::cluster::Cluster;
use tests::executable::holdfast;
use tests::installation::{Installation, LENIENT_GATEWAY, PARTITIONS};
use tests::journal;
use tests::process::{FENCE_NOTICED, Process};

use crate::load::Load;

/// More than one process must be near the end: how many payments are accepted between two blows.
const TRICKLE: usize = 15;

async fn installation(name: &str) -> Installation {
    Installation::prepare_on(Cluster::shared(), name, &LENIENT_GATEWAY).await
}

pub fn process(
    installation: &Installation,
    name: &'static str,
    roles: &str,
    shards: &str,
) -> Process {
    let settings = [("HOLDFAST_ROLES", roles), ("HOLDFAST_SHARDS", shards)];
    Process::of(installation, name, &settings)
}

/// Starts them together, for some wait for others; returns when all are ready.
pub async fn run_all<const N: usize>(mut processes: [Process; N]) -> [Process; N] {
    for process in &mut processes {
        process.launch();
    }
    for process in &processes {
        process.ready().await;
    }
    processes
}

/// The names of what a process says of itself.
fn components(ready: &Answer) -> Vec<&str> {
    let components = ready.body["components"].as_array().expect("components");
    components.iter().map(|component| component["name"].as_str().expect("a name")).collect()
}

/// Two wallets, one of each shard.
async fn wallets(caller: &Caller) -> Vec<Wallet> {
    let count = PartitionCount::try_from(PARTITIONS).expect("a count");
    let mut wallets: Vec<Option<Wallet>> = Partition::all(count).map(|_| None).collect();
    while wallets.iter().any(Option::is_none) {
        let wallet = caller.wallet_with(10_000).await;
        let id: WalletId = wallet.id.parse().expect("a wallet id");
        wallets[id.shard(count).index()] = Some(wallet);
    }
    wallets.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn separate_processes_are_the_whole_product_and_each_may_die_or_stop() {
    let installation = installation("roles").await;
    let mut processes = run_all([
        process(&installation, "api-1", "api", "all"),
        process(&installation, "api-2", "api", "all"),
        process(&installation, "ledger-0", "ledger", "0"),
        process(&installation, "ledger-1", "ledger", "1"),
        process(&installation, "gateway-1", "gateway", "all"),
    ])
    .await;
    each_tells_of_its_own_parts(&processes).await;
    let paid = what_one_api_writes_the_other_shows(&processes).await;

    let load = Load::of(vec![processes[0].caller(), processes[1].caller()]).await;
    load.while_doing(async {
        for process in &mut processes {
            load.accepts(TRICKLE).await;
            process.kill().await;
            process.run().await;
        }
        for process in &mut processes {
            load.accepts(TRICKLE).await;
            assert_eq!(process.stop().await, "exit code 0", "{}", process.log());
            process.run().await;
        }
        load.accepts(TRICKLE).await;
    })
    .await;
    load.check(&installation, &paid).await;
}

async fn each_tells_of_its_own_parts(processes: &[Process; 5]) {
    let parts = ["views", "views", "shards", "shards", "gateway-follower"];
    for (process, part) in processes.iter().zip(parts) {
        let ready = process.caller().get("/ready").await.expect(200);
        let named = components(&ready);
        let of_roles = ["views", "shards", "gateway-follower"];
        let own: Vec<_> = named.iter().filter(|name| of_roles.contains(*name)).collect();
        assert_eq!(own, [&part], "{named:?}");
        process.caller().get("/live").await.expect(200);
        let answer = process.caller().get("/api/v1/payments").await;
        if part == "views" {
            answer.expect(200);
        } else {
            let refused = answer.expect_refusal(404, "not_found");
            assert!(refused.text("detail").contains("role api"), "{refused:?}");
        }
    }
    for (ledger, shard) in [(&processes[2], "0 running"), (&processes[3], "1 running")] {
        let ready = ledger.caller().get("/ready").await;
        assert_eq!(ready.body["components"][2]["detail"], shard, "{ready:?}");
    }
}

/// Gives the payments that it made.
async fn what_one_api_writes_the_other_shows(processes: &[Process; 5]) -> Vec<String> {
    let (one, other) = (processes[0].caller(), processes[1].caller());
    let mut paid = Vec::new();
    for wallet in wallets(&one).await {
        let key = new_key();
        let answer = one.pay(&wallet, 1_000, &key).await.expect(201);
        let position = answer.header("holdfast-position").expect("a position").to_owned();
        let path = format!("/api/v1/payments/{}", answer.payment_id());
        let shown = other.get_with(&path, &[("Holdfast-Position", &position)]).await.expect(200);
        assert_eq!(shown.body["status"], "completed", "{shown:?}");
        let headers = [("Idempotency-Key", key.as_str()), PATIENT];
        let again = other.post("/api/v1/payments", &payment(&wallet, 1_000), &headers).await;
        assert!(again.is_replayed() && again.payment_id() == answer.payment_id(), "{again:?}");
        paid.push(answer.payment_id().to_owned());
    }
    paid
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_ledgers_with_the_same_shards_one_ends_with_the_reason() {
    let installation = installation("rival-ledgers").await;
    let [front, mut first] = run_all([
        process(&installation, "front", "api,gateway", "all"),
        process(&installation, "ledger-1", "ledger", "all"),
    ])
    .await;
    // It may be the one that goes on, so it must outlive the load.
    let mut second = process(&installation, "ledger-2", "ledger", "0-1");
    let load = Load::of(vec![front.caller()]).await;
    load.while_doing(async {
        load.accepts(TRICKLE).await;
        second.launch();
        one_ends_with_the_reason(&mut first, &mut second).await;
        load.accepts(TRICKLE).await;
    })
    .await;
    load.check(&installation, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_ledgers_that_have_nothing_to_do_one_ends_with_the_reason() {
    let installation = installation("idle-ledgers").await;
    let [front, mut first] = run_all([
        process(&installation, "front", "api,gateway", "all"),
        process(&installation, "ledger-1", "ledger", "all"),
    ])
    .await;
    let wallets = wallets(&front.caller()).await;
    let entries = journal::entries(&installation).await.len();
    let mut second = process(&installation, "ledger-2", "ledger", "0-1");
    second.run().await;
    one_ends_with_the_reason(&mut first, &mut second).await;
    assert_eq!(journal::entries(&installation).await.len(), entries, "there was nothing to write");
    for wallet in &wallets {
        front.caller().pay(wallet, 1_000, &new_key()).await.expect(201);
    }
    installation.assert_clean_audit().await;
}

/// Waits for it. The other one is ready then, or will be, or has ended for the same reason: each
/// may have had enough of it on another shard in the same moment. Started again it is alone.
async fn one_ends_with_the_reason(first: &mut Process, second: &mut Process) {
    let (end, is_first) = tokio::select! {
        end = first.ended() => (end, true),
        end = second.ended() => (end, false),
    };
    let (loser, winner) = if is_first { (first, second) } else { (second, first) };
    assert_ended_for_the_rival(&end, &loser.log());
    // Until it would have noticed a fence, being there says nothing.
    tokio::time::sleep(FENCE_NOTICED).await;
    if winner.is_running() {
        winner.ready().await;
    } else {
        let end = winner.ended().await;
        assert_ended_for_the_rival(&end, &winner.log());
        winner.run().await;
    }
}

fn assert_ended_for_the_rival(end: &str, log: &str) {
    assert_eq!(end, "exit code 1", "{log}");
    assert!(log.contains("another process runs the same shards"), "{log}");
    assert!(log.contains("--shards"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_gateway_processes_with_the_same_shards_the_later_one_has_them() {
    let installation = installation("rival-gateways").await;
    let [front, mut first] = run_all([
        process(&installation, "front", "api,ledger", "all"),
        process(&installation, "gateway-1", "gateway", "all"),
    ])
    .await;
    let mut second = process(&installation, "gateway-2", "gateway", "0-1");
    let load = Load::of(vec![front.caller()]).await;
    load.while_doing(async {
        load.accepts(TRICKLE).await;
        second.run().await;
        assert_eq!(first.ended().await, "exit code 1", "{}", first.log());
        let reason = "another process with the role gateway has taken over shard";
        assert!(first.log().contains(reason), "{}", first.log());
        load.accepts(TRICKLE).await;

        // A zombie: it sleeps with its hands full while the shards are claimed by another one.
        second.signal(Signal::SIGSTOP);
        load.accepts(TRICKLE).await;
        first.run().await;
        load.accepts(TRICKLE).await;
        second.signal(Signal::SIGCONT);
        assert_eq!(second.ended().await, "exit code 1", "{}", second.log());
        assert!(second.log().contains(reason), "{}", second.log());
        load.accepts(TRICKLE).await;
    })
    .await;
    load.check(&installation, &[]).await;
}

/// Runs it to its end: it must refuse to start.
fn refused(settings: &[(&str, &str)]) -> String {
    let mut command = Command::new(holdfast());
    command.arg("run").env_clear().env("HOLDFAST_PROFILE", "dev").envs(settings.iter().copied());
    let output: Output = command.output().expect("it runs");
    assert!(!output.status.success(), "{settings:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_collides_or_cannot_be_is_refused_with_the_flag_to_change() {
    let installation = installation("collisions").await;
    let mut first = process(&installation, "api-1", "api", "all");
    first.launch();
    // It listens before anything else is there.
    tests::wait::eventually(tests::installation::READY_BOUND, "it listens", async || {
        first.caller().send(reqwest::Method::GET, "/live", &[], Vec::new()).await
    })
    .await;
    let state = first.state_directory().display().to_string();
    let other = format!("{state}-2");
    let listen = first.listen().to_owned();
    let new = format!("127.0.0.1:{}", tests::installation::new_port());
    let text = refused(&[("HOLDFAST_STATE_DIR", &state), ("HOLDFAST_LISTEN", &new)]);
    assert!(text.contains("--state-dir") && text.contains(&state), "{text}");
    let text = refused(&[("HOLDFAST_STATE_DIR", &other), ("HOLDFAST_LISTEN", &listen)]);
    assert!(text.contains("--listen") && text.contains(&listen), "{text}");
    let own = [("HOLDFAST_STATE_DIR", other.as_str()), ("HOLDFAST_LISTEN", &new)];
    for (variable, value, expected) in [
        ("HOLDFAST_SHARDS", "0-99", "--shards names shard 99"),
        ("HOLDFAST_SHARDS", "none", "0,2-3"),
        ("HOLDFAST_ROLES", "api,cook", "cook"),
    ] {
        let text = refused(&[own[0], own[1], (variable, value)]);
        assert!(text.contains(expected), "{variable}={value}: {text}");
    }
}
