//! One run: a watch of the journal, a sender, and somebody who looks at both until it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::SmallRng;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::clients::Clients;
use super::companions::{Companions, Company};
use super::handover::{Handover, Job, Payer};
use super::journal_watch::Prepared;
use super::live::{Counts, Live};
use super::measured::{DecidedBy, Measured, Window};
use super::outage;
use super::over_http::{self, ApiAddress};
use super::over_kafka;
use super::processes::{Participant, Usage};
use super::progress::{Phase, Progress};
use super::schedule::{Plan, Schedule};
use super::tag::RunId;
use super::tally::Tally;
use crate::registry::WriterIds;

/// From the decision to begin until the first payment may be due: the threads are up by then.
const HEAD_START: Duration = Duration::from_millis(200);
/// How often the numbers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which way the payments go.
#[derive(Debug, Clone)]
pub(super) enum Path {
    /// Through the API.
    Http(ApiAddress),
    /// Straight to the log.
    Kafka,
}

/// What all runs of one load share.
pub(super) struct Ground {
    /// The log.
    pub clients: Clients,
    /// Which way.
    pub path: Path,
    /// The registry's ids of our schemas.
    pub ids: WriterIds,
    /// Who pays.
    pub payers: Arc<Vec<Payer>>,
    /// Whose processor time counts.
    pub participants: Vec<Participant>,
    /// How long after the last payment the others may take to end.
    pub drain: Duration,
    /// Where outages are asked for.
    pub gateway_urls: Vec<String>,
    /// Counts Ctrl-C: with the first nothing more is sent, with the second nothing is awaited.
    pub interrupts: Arc<AtomicU32>,
}

impl Ground {
    fn interrupts(&self) -> u32 {
        self.interrupts.load(Ordering::Relaxed)
    }

    /// Whether somebody wants it to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupts() > 0
    }

    /// Runs the plan and says what came of it.
    pub(super) async fn run(
        &self,
        plan: &Plan,
        progress: &mut Progress,
    ) -> anyhow::Result<Measured> {
        let run = RunId::random();
        let live = Arc::new(Live::default());
        let stop = Arc::new(AtomicBool::new(false));
        let clients = self.clients.clone();
        let prepared = spawn_blocking(move || Prepared::at_the_end(&clients)).await??;
        let start = Instant::now() + HEAD_START;
        let watch = prepared.watch(Tally::new(run, start, plan.warm_up, Arc::clone(&live)))?;
        let random: SmallRng = rand::make_rng();
        let job = Job {
            run,
            start,
            warm_up: plan.warm_up,
            schedule: Schedule::new(plan, random).context("a rate is a positive number")?,
            payers: Arc::clone(&self.payers),
            live: Arc::clone(&live),
            stop: Arc::clone(&stop),
            max_in_flight: plan.max_in_flight,
            drain: self.drain,
        };
        let sender = self.start_sender(job);
        let companions = self.companions(run, start, plan).await?;
        let outage = plan.outage.map(|lasts| {
            let begins = start + plan.warm_up + plan.counted.saturating_sub(lasts) / 2;
            tokio::spawn(outage::make(begins, lasts, self.gateway_urls.clone()))
        });

        let mut over = || self.is_interrupted() || sender.is_finished() || watch.has_ended();
        let warm = start + plan.warm_up;
        look_until(warm, &mut over, || progress.show(Phase::WarmUp, live.counts())).await;
        let before = self.moment(&live);
        look_until(warm + plan.counted, &mut over, || progress.show(Phase::Counted, live.counts()))
            .await;
        let after = self.moment(&live);
        stop.store(true, Ordering::Relaxed);
        if let Some(companions) = &companions {
            companions.stop();
        }

        let deadline = Instant::now() + self.drain;
        let mut over = || {
            let all_ended = sender.is_finished()
                && live.counts().under_way() == 0
                && companions.as_ref().is_none_or(Companions::are_over);
            all_ended || self.interrupts() > 1 || watch.has_ended()
        };
        look_until(deadline, &mut over, || progress.show(Phase::Drain, live.counts())).await;
        progress.finish();
        let tally = spawn_blocking(move || watch.finish()).await??;
        let handover = sender.await.context("the sender panicked")??;
        let answered = match self.path {
            Path::Http(_) => DecidedBy::Answer,
            Path::Kafka => DecidedBy::Journal,
        };
        let window = before.to(&after, &self.participants);
        let mut measured = Measured::of(&handover, &tally, answered, &window);
        if let Some(companions) = companions {
            measured.companions = Some(companions.finish().await?);
        }
        if let Some(outage) = outage {
            outage.await.context("the outage panicked")??;
        }
        Ok(measured)
    }

    async fn companions(
        &self,
        run: RunId,
        start: Instant,
        plan: &Plan,
    ) -> anyhow::Result<Option<Companions>> {
        if plan.companions.is_none() {
            return Ok(None);
        }
        let company = Company {
            run,
            shares: plan.companions,
            rate: plan.rate,
            start,
            duration: plan.warm_up + plan.counted,
            payers: Arc::clone(&self.payers),
            schema: self.ids.command,
        };
        Companions::begin(company, &self.clients).await.map(Some)
    }

    fn start_sender(&self, job: Job) -> JoinHandle<anyhow::Result<Handover>> {
        let (clients, path, schema) = (self.clients.clone(), self.path.clone(), self.ids.command);
        spawn_blocking(move || match path {
            Path::Http(api) => over_http::send(job, &api),
            Path::Kafka => over_kafka::send(&job, &clients, schema),
        })
    }

    fn moment(&self, live: &Live) -> MomentSeen {
        let usage = Usage::of(&self.participants);
        MomentSeen { at: Instant::now(), counts: live.counts(), usage }
    }
}

/// How everything stood at one moment.
struct MomentSeen {
    at: Instant,
    counts: Counts,
    usage: Usage,
}

impl MomentSeen {
    fn to(&self, later: &Self, participants: &[Participant]) -> Window {
        let counts = later.counts.since(self.counts);
        Window {
            seconds: later.at.saturating_duration_since(self.at).as_secs_f64(),
            counts,
            costs: later.usage.since(&self.usage, participants, counts.ended()),
        }
    }
}

/// Looks again and again, until the moment has come or it is over before.
async fn look_until(moment: Instant, over: &mut impl FnMut() -> bool, mut look: impl FnMut()) {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() || over() {
            return;
        }
        look();
        sleep(left.min(LOOK_EVERY)).await;
    }
}
