//! kill -9 of every process that there is, alone and together, at random moments under load, and
//! started again: nothing is lost, nobody is charged twice.

use std::time::Duration;

use nix::sys::signal::Signal;
use tests::cluster::Cluster;
use tests::installation::{Installation, LENIENT_GATEWAY};
use tests::random::Random;
use tests::scratch;
use tests::wait::eventually;
use tokio::time::Instant;
use topology::embedded::process::ProcessIdentity;
use topology::embedded::supervision::Supervised;
use topology::embedded::{Embedded, EmbeddedOptions, Ports};

use crate::load::Load;

/// For how long something is killed again and again.
const KILLING: Duration = Duration::from_mins(1);
/// From a kill to the next payments that are accepted.
const HEALING_BOUND: Duration = Duration::from_mins(2);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Application,
    Gateway,
    Broker,
    Registry,
}

impl Victim {
    const ALL: [Self; 4] = [Self::Application, Self::Gateway, Self::Broker, Self::Registry];

    /// One in most rounds, any of them in the others.
    fn some(random: &mut Random) -> Vec<Self> {
        let one = Self::ALL[usize::try_from(random.below(4)).expect("small")];
        if random.below(3) > 0 {
            return vec![one];
        }
        let is_hit = |victim: &Self| *victim == one || random.below(2) == 0;
        Self::ALL.into_iter().filter(is_hit).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_everything_at_random_loses_nothing() {
    let mut random = Random::seeded();
    let options = EmbeddedOptions {
        preferred_ports: Ports::ANY,
        narrate: |sentence| println!("{sentence}"),
        ..EmbeddedOptions::new(scratch::directory("schedule-kafka"))
    };
    let embedded = Embedded::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let cluster = Cluster {
        bootstrap_servers: embedded.bootstrap_servers().to_owned(),
        registry_url: embedded.registry_url().expect("it was asked for").to_owned(),
    };
    let mut installation = Installation::start_on(cluster, "schedule", &LENIENT_GATEWAY).await;
    let load = Load::on(&installation).await;
    let until = Instant::now() + KILLING;
    load.while_doing(async {
        let mut kills = 0;
        while Instant::now() < until {
            let more = usize::try_from(random.below(40)).expect("small");
            accepts(&mut installation, &load, more).await;
            let victims = Victim::some(&mut random);
            kills += 1;
            println!("{kills}: {} accepted, kill -9 of {victims:?}", load.accepted());
            kill(&mut installation, &embedded, &victims).await;
        }
        accepts(&mut installation, &load, 30).await;
        installation.ready().await;
        assert!(kills >= 5, "{kills} kills are no schedule");
    })
    .await;
    load.check(&installation, &[]).await;
    drop(installation);
    embedded.stop().await;
}

/// Waits for payments as [`Load::accepts`] does, and starts an application that has ended again, as
/// a supervisor would.
async fn accepts(installation: &mut Installation, load: &Load, more: usize) {
    let goal = load.accepted() + more;
    eventually(HEALING_BOUND, &format!("{goal} payments are accepted"), async || {
        if !installation.is_running() {
            println!("The application has ended; it is started again.");
            installation.launch();
        }
        if load.accepted() >= goal { Ok(()) } else { Err(load.accepted()) }
    })
    .await;
}

/// All of them at once; then those that nobody supervises are started again.
async fn kill(installation: &mut Installation, embedded: &Embedded, victims: &[Victim]) {
    let is_hit = |victim: Victim| victims.contains(&victim);
    for victim in victims {
        match victim {
            Victim::Application => installation.signal(Signal::SIGKILL),
            Victim::Gateway => installation.kill_gateway().await,
            Victim::Broker => kill_supervised(embedded.broker()),
            Victim::Registry => kill_supervised(embedded.registry().expect("it was asked for")),
        }
    }
    if is_hit(Victim::Application) {
        assert_eq!(installation.ended().await, "SIGKILL");
        installation.launch();
    }
    if is_hit(Victim::Gateway) {
        installation.run_gateway().await;
    }
}

/// It is started again by who supervises it. One that is just being started again is spared.
fn kill_supervised(child: &Supervised) {
    if let Some(process) = child.pid().and_then(ProcessIdentity::of) {
        process.signal_group(Signal::SIGKILL);
    }
}
