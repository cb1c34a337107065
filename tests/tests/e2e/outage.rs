//! The broker goes away and comes back: the truth meanwhile, and recovery without help.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::Signal;
use tests::caller::{Answer, Caller, Numbers, Wallet, new_key};
use tests::cluster::Cluster;
use tests::installation::{Installation, LENIENT_GATEWAY};
use tests::scratch;
use tests::wait::eventually;
use tokio::time::Instant;
use topology::embedded::process::ProcessIdentity;
use topology::embedded::{Embedded, EmbeddedOptions, Ports, RegistryUse};

use crate::load::{Load, persist};

/// From the loss of the broker to the refusal of a request.
const REFUSAL_BOUND: Duration = Duration::from_secs(20);
/// From the loss of the broker to the word of it at /ready.
const NOTICE_BOUND: Duration = Duration::from_secs(30);
/// From the return of the broker to readiness.
const RECOVERY_BOUND: Duration = Duration::from_secs(90);
/// What /health and the views take to answer, whatever is away.
const READ_BOUND: Duration = Duration::from_secs(2);

async fn broker(directory: &Path) -> Embedded {
    let options = EmbeddedOptions {
        preferred_ports: Ports::ANY,
        registry: RegistryUse::LeftOut,
        narrate: |sentence| println!("{sentence}"),
        ..EmbeddedOptions::new(directory)
    };
    Embedded::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_told_truthfully_and_survived_without_a_restart() {
    let registry_url = Cluster::shared().registry_url;
    let directory = scratch::directory("outage-kafka");
    let embedded = broker(&directory).await;
    let bootstrap_servers = embedded.bootstrap_servers().to_owned();
    let cluster = Cluster { bootstrap_servers: bootstrap_servers.clone(), registry_url };
    let installation = Installation::start_on(cluster, "outage", &LENIENT_GATEWAY).await;
    let (caller, process) = (installation.caller(), installation.pid());
    let wallet = caller.wallet_with(10_000).await;
    let paid = caller.pay(&wallet, 1_000, &new_key()).await.expect(201);
    let keys: Vec<_> = (0..8).map(|_| new_key()).collect();

    let load = Load::on(&installation).await;
    let mut again = None;
    load.while_doing(async {
        load.accepts(40).await;
        kill(embedded).await;
        join_all(keys.iter().map(|key| refused(&caller, &wallet, key))).await;
        told(&caller, &wallet, &paid).await;
        // Known to be away, it is refused too.
        refused(&caller, &wallet, &keys[0]).await;
        assert!(installation.is_running(), "an outage is no reason to die");
        let embedded = again.insert(broker(&directory).await);
        assert_eq!(embedded.bootstrap_servers(), bootstrap_servers, "it comes back where it was");
        load.accepts(40).await;
    })
    .await;

    let ids = join_all(keys.iter().map(async |key| {
        let answer = persist(&caller, &wallet, 1_000, key).await;
        answer.payment_id().to_owned()
    }));
    let mut ids = ids.await;
    for id in &ids {
        let payment = caller.settled(id).await;
        assert_eq!(payment["status"], "completed", "{payment}");
    }
    eventually(RECOVERY_BOUND, "/ready is 200 again", async || {
        let answer = caller.get("/ready").await;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(1_000));
    assert!(installation.is_running() && installation.pid() == process, "the same process");
    ids.push(paid.payment_id().to_owned());
    load.check(&installation, &ids).await;
    drop(installation);
    again.expect("it came back").stop().await;
}

/// kill -9, and no supervisor that starts it again.
async fn kill(embedded: Embedded) {
    let process = ProcessIdentity::of(embedded.broker().pid().expect("it runs")).expect("it runs");
    process.signal_group(Signal::SIGKILL);
    embedded.stop().await;
    assert!(!process.is_alive());
}

/// A request without a log: a refusal, in time, that says what to do.
async fn refused(caller: &Caller, wallet: &Wallet, key: &str) {
    let asked = Instant::now();
    let answer = caller.try_pay(wallet, 1_000, key).await.expect("answered");
    let took = asked.elapsed();
    assert!(took < REFUSAL_BOUND, "{took:?}: {answer:?}");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(matches!(answer.code(), "log_unavailable" | "not_ready"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(answer.body["retryable"], true, "{answer:?}");
    assert_eq!(answer.body["idempotency_key"], key, "{answer:?}");
    assert!(!answer.payment_id().is_empty());
}

/// /ready says what is away, /live lives, and the views answer as before.
async fn told(caller: &Caller, wallet: &Wallet, paid: &Answer) {
    let ready = eventually(NOTICE_BOUND, "/ready is 503", async || {
        let answer = caller.get("/ready").await;
        if answer.status == 503 { Ok(answer) } else { Err(answer.body) }
    })
    .await;
    let components = ready.body["components"].as_array().expect("components");
    assert!(components.iter().any(|part| part["status"] != "ok"), "{ready:?}");
    let paths = [
        ("/health".to_owned(), 503),
        ("/live".to_owned(), 200),
        (format!("/api/v1/payments/{}", paid.payment_id()), 200),
        (format!("/api/v1/wallets/{}", wallet.id), 200),
        (format!("/api/v1/wallets/{}/transactions", wallet.id), 200),
        (format!("/api/v1/payments?wallet_id={}", wallet.id), 200),
    ];
    for (path, status) in paths {
        let asked = Instant::now();
        let answer = caller.get(&path).await.expect(status);
        assert!(asked.elapsed() < READ_BOUND, "{path} took {:?}: {answer:?}", asked.elapsed());
    }
    assert_eq!(caller.numbers(wallet).await, Numbers::settled(9_000));
}
