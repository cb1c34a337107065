//! How the simulator behaves besides magic amounts: how long it takes, and which share of the keys
//! it treats how badly.
//!
//! Invariants: an instance is valid (no unknown field, no percentage below 0, at most 100 together,
//! no pause longer than [`LONGEST_PAUSE`]). What a key gets depends on the seed and the key alone,
//! and how long the n-th request takes on the seed and n: with the same seed and the same requests
//! a run repeats.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::charge_book::KeyDigest;
use super::deceit::Deceit;
use super::magic::MagicAmount;
use super::notifier::Notifications;
use crate::gateway::secret::Secret;

/// The longest pause that can be asked for: callers have given up long before.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(2);
/// So that what a key gets of one kind says nothing of another.
const DECEIT: u64 = 0x00DE_CE17;
/// Sums of decimal fractions are not exact.
pub(super) const ROUNDING: f64 = 1e-9;
/// Where the 99th percentile of the standard normal distribution is.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// A behaviour, valid and ready to be drawn from.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Behaviour {
    /// Where the randomness begins.
    pub seed: u64,
    /// How long an answer is held back; none is none.
    pub latency: Option<Latency>,
    /// By misbehaviour, the percentage of keys that get it.
    pub percent: BTreeMap<MagicAmount, f64>,
    /// By deceit, the percentage of the keys without a misbehaviour that get it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub deceit_percent: BTreeMap<Deceit, f64>,
    /// How long after a charge an inquiry does not find it yet, in milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub ingestion_ms: u64,
    /// Who is told what was charged; none is nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
}

/// How long an answer is held back, after the charge is booked. In milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Always so long.
    FixedMs(f64),
    /// Anything between, equally likely.
    UniformMs {
        /// The shortest.
        from: f64,
        /// The longest.
        to: f64,
    },
    /// Mostly around the median, sometimes much longer, as networks are.
    LognormalMs {
        /// Half of the answers are faster.
        median: f64,
        /// 1 in 100 answers is slower.
        p99: f64,
    },
    /// So much of all answers is at most so slow, straight lines in between: `{"50": 20, "99":
    /// 300}`. Nothing is slower than the last.
    PercentilesMs(Percentiles),
}

/// Points of a distribution: percentile and milliseconds. Not empty, and neither ever falls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, f64>", into = "BTreeMap<String, f64>")]
pub struct Percentiles(Vec<(f64, f64)>);

/// What can be asked for: a behaviour that is not checked yet.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    seed: Option<u64>,
    latency: Option<Latency>,
    /// By name: only texts are named by an error about what stands below them.
    percent: BTreeMap<String, f64>,
    deceit_percent: BTreeMap<String, f64>,
    ingestion_ms: u64,
    notifications: Option<Notifications>,
}

/// Why a behaviour is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {reason}")]
pub struct BehaviourError {
    field: String,
    reason: String,
}

impl Behaviour {
    /// Well-behaved, with this seed.
    pub fn good(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Reads `{"seed": …, "latency": …, "percent": {…}}`, each optional; without a seed it is
    /// `seed`.
    pub fn parse(json: &[u8], seed: u64) -> Result<Self, BehaviourError> {
        let mut json = serde_json::Deserializer::from_slice(json);
        let wish: Wish = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| refused(&error.path().to_string(), &error.inner().to_string()))?;
        json.end().map_err(|error| refused(".", &error.to_string()))?;
        if let Some(latency) = &wish.latency {
            latency.check()?;
        }
        let magic = |name: &str| MagicAmount::all().find(|magic| magic.name() == name);
        let deceit = |name: &str| Deceit::ALL.into_iter().find(|deceit| deceit.name() == name);
        let longest = u64::try_from(LONGEST_PAUSE.as_millis()).unwrap_or(u64::MAX);
        if wish.ingestion_ms > longest {
            return Err(refused("ingestion_ms", &format!("must be at most {longest}")));
        }
        if let Some(notifications) = &wish.notifications {
            notifications.check().map_err(|(field, reason)| refused(&field, &reason))?;
        }
        Ok(Self {
            seed: wish.seed.unwrap_or(seed),
            latency: wish.latency,
            percent: percentages("percent", &wish.percent, magic)?,
            deceit_percent: percentages("deceit_percent", &wish.deceit_percent, deceit)?,
            ingestion_ms: wish.ingestion_ms,
            notifications: wish.notifications,
        })
    }

    /// The same, and everything is told to whoever listens there, unless somebody is told already.
    ///
    /// # Errors
    /// Nobody can listen there.
    pub fn telling(mut self, url: &str, secret: &Secret) -> Result<Self, BehaviourError> {
        if self.notifications.is_none() {
            let notifications = Notifications::of_all(url, secret);
            notifications.check().map_err(|(field, reason)| refused(&field, &reason))?;
            self.notifications = Some(notifications);
        }
        Ok(self)
    }

    /// What a key gets whose amount is not magic; none is an honest answer.
    pub fn misbehaviour_of(&self, key: KeyDigest) -> Option<MagicAmount> {
        self.drawn_of(&self.percent, key, 0)
    }

    /// What promise is broken for a key that does not misbehave.
    pub fn deceit_of(&self, key: KeyDigest) -> Option<Deceit> {
        self.drawn_of(&self.deceit_percent, key, DECEIT)
    }

    /// One of `percent`, or none; the same for a key, but for each `kind` of its own.
    pub(super) fn drawn_of<T: Copy>(
        &self,
        percent: &BTreeMap<T, f64>,
        key: KeyDigest,
        kind: u64,
    ) -> Option<T> {
        if percent.is_empty() {
            return None;
        }
        let (high, low) = Uuid::from_u128(key).as_u64_pair();
        let mut left = 100.0 * self.random(high ^ low.rotate_left(1) ^ kind).random::<f64>();
        let drawn = percent.iter().find(|(_, percent)| {
            left -= **percent;
            left < 0.0
        });
        drawn.map(|(drawn, _)| *drawn)
    }

    /// How long the answer to the `n`-th request is held back.
    pub fn latency_of(&self, n: u64) -> Option<Duration> {
        let latency = self.latency.as_ref()?;
        Some(latency.draw(&mut self.random(n)))
    }

    fn random(&self, of: u64) -> SmallRng {
        // The generator mixes its seed, so that neighbours have nothing in common.
        SmallRng::seed_from_u64(self.seed.rotate_left(32) ^ of)
    }
}

/// For the command line: a behaviour without a seed has seed 0.
impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        Self::parse(json.as_bytes(), 0)
    }
}

impl Latency {
    fn check(&self) -> Result<(), BehaviourError> {
        let longest = LONGEST_PAUSE.as_secs_f64() * 1000.0;
        let pause = |field: &str, ms: f64| {
            let field = format!("latency.{field}");
            if (0.0..=longest).contains(&ms) {
                Ok(())
            } else {
                Err(refused(&field, &format!("{ms} is not between 0 and {longest} milliseconds")))
            }
        };
        match self {
            Self::FixedMs(ms) => pause("fixed_ms", *ms),
            Self::UniformMs { from, to } => {
                pause("uniform_ms.from", *from)?;
                pause("uniform_ms.to", *to)?;
                rises("uniform_ms", &[*from, *to])
            }
            Self::LognormalMs { median, p99 } => {
                pause("lognormal_ms.median", *median)?;
                pause("lognormal_ms.p99", *p99)?;
                if *median <= 0.0 {
                    return Err(refused("latency.lognormal_ms.median", "must be more than 0"));
                }
                rises("lognormal_ms", &[*median, *p99])
            }
            // Not empty, and it does not fall: the last is the longest.
            Self::PercentilesMs(Percentiles(points)) => {
                points.iter().try_for_each(|(_, ms)| pause("percentiles_ms", *ms))
            }
        }
    }

    fn draw(&self, random: &mut SmallRng) -> Duration {
        let ms = match self {
            Self::FixedMs(ms) => *ms,
            Self::UniformMs { from, to } => from + (to - from) * random.random::<f64>(),
            Self::LognormalMs { median, p99 } => {
                let sigma = (p99 / median).ln() / NORMAL_P99;
                LogNormal::new(median.ln(), sigma).map_or(*median, |pauses| pauses.sample(random))
            }
            Self::PercentilesMs(points) => points.at(100.0 * random.random::<f64>()),
        };
        Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
    }
}

impl Percentiles {
    /// The pause at a percentile: on the straight line between its neighbours, from 0 at 0 on.
    fn at(&self, percentile: f64) -> f64 {
        let mut before = (0.0, 0.0);
        for point in &self.0 {
            if percentile <= point.0 {
                let width = point.0 - before.0;
                let share = if width > 0.0 { (percentile - before.0) / width } else { 1.0 };
                return before.1 + (point.1 - before.1) * share;
            }
            before = *point;
        }
        before.1
    }
}

impl TryFrom<BTreeMap<String, f64>> for Percentiles {
    type Error = String;

    fn try_from(points: BTreeMap<String, f64>) -> Result<Self, String> {
        let mut curve = Vec::with_capacity(points.len());
        for (percentile, ms) in points {
            let number = percentile.parse().ok().filter(|number| (0.0..=100.0).contains(number));
            curve.push((number.ok_or(format!("{percentile:?} is not a percentile"))?, ms));
        }
        curve.sort_by(|one: &(f64, f64), other| one.0.total_cmp(&other.0));
        if curve.is_empty() || !curve.is_sorted_by(|one, other| one.1 <= other.1) {
            return Err("needs percentiles whose pauses do not fall".to_owned());
        }
        Ok(Self(curve))
    }
}

impl From<Percentiles> for BTreeMap<String, f64> {
    fn from(Percentiles(points): Percentiles) -> Self {
        points.into_iter().map(|(percentile, ms)| (percentile.to_string(), ms)).collect()
    }
}

/// Percentages by name, each between 0 and 100, together at most 100.
pub(super) fn percentages<T: Ord>(
    field: &str,
    wished: &BTreeMap<String, f64>,
    named: impl Fn(&str) -> Option<T>,
) -> Result<BTreeMap<T, f64>, BehaviourError> {
    let mut percentages = BTreeMap::new();
    let mut sum = 0.0;
    for (name, percent) in wished {
        let field = format!("{field}.{name}");
        let known = named(name).ok_or_else(|| refused(&field, "there is no such misbehaviour"))?;
        if !(0.0..=100.0).contains(percent) {
            return Err(refused(&field, &format!("{percent} is not between 0 and 100")));
        }
        sum += percent;
        percentages.insert(known, *percent);
    }
    if sum > 100.0 + ROUNDING {
        return Err(refused(field, &format!("{sum} percent of the keys are more than all")));
    }
    Ok(percentages)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

fn rises(field: &str, pauses: &[f64]) -> Result<(), BehaviourError> {
    if pauses.is_sorted() {
        return Ok(());
    }
    Err(refused(&format!("latency.{field}"), &format!("{pauses:?} must not fall")))
}

fn refused(field: &str, reason: &str) -> BehaviourError {
    BehaviourError { field: field.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::*;

    #[test]
    fn what_is_wrong_is_refused_with_the_name_of_the_field() {
        let rows = [
            (r#"{"colour": 1}"#, "colour"),
            (r#"{"percent": {"colour": 1}}"#, "colour"),
            (r#"{"percent": {"slow": -1}}"#, "percent.slow"),
            (r#"{"percent": {"slow": 101}}"#, "percent.slow"),
            (r#"{"percent": {"slow": "1"}}"#, "percent.slow"),
            (r#"{"percent": {"slow": 60, "very_slow": 40.1}}"#, "percent"),
            (r#"{"latency": {"fixed": 1}}"#, "fixed"),
            (r#"{"latency": {"fixed_ms": -1}}"#, "latency.fixed_ms"),
            (r#"{"latency": {"fixed_ms": 120001}}"#, "latency.fixed_ms"),
            (r#"{"latency": {"uniform_ms": {"from": 2, "to": 1}}}"#, "latency.uniform_ms"),
            (r#"{"latency": {"uniform_ms": {"from": 2, "till": 1}}}"#, "till"),
            (r#"{"latency": {"lognormal_ms": {"median": 0, "p99": 1}}}"#, "median"),
            (r#"{"latency": {"percentiles_ms": {}}}"#, "latency.percentiles_ms"),
            (r#"{"latency": {"percentiles_ms": {"50": 2, "99": 1}}}"#, "latency.percentiles_ms"),
            (r#"{"latency": {"percentiles_ms": {"many": 2}}}"#, "many"),
            (r#"{"latency": {"percentiles_ms": {"99": 120001}}}"#, "latency.percentiles_ms"),
            (r#"{"seed": -1}"#, "seed"),
            (r#"{"deceit_percent": {"slow": 1}}"#, "deceit_percent.slow"),
            (r#"{"deceit_percent": {"charged_less": 101}}"#, "deceit_percent.charged_less"),
            (r#"{"ingestion_ms": 120001}"#, "ingestion_ms"),
            (r#"{"notifications": {"url": "x", "secret": "s"}}"#, "notifications.url"),
            (r#"{"notifications": {"url": "http://h", "secret": ""}}"#, "notifications.secret"),
            (
                r#"{"notifications": {"url": "http://h", "secret": "s", "percent": {"lost": 1}}}"#,
                "lost",
            ),
            (
                r#"{"notifications": {"url": "http://h", "secret": "s",
                    "percent": {"before": 101}}}"#,
                "notifications.percent.before",
            ),
        ];
        for (json, named) in rows {
            let refusal = Behaviour::parse(json.as_bytes(), 0).unwrap_err().to_string();
            assert!(refusal.contains(named), "{json}: {refusal}");
        }
    }

    #[test]
    fn what_was_shown_can_be_asked_for() {
        let json = r#"{"seed": 7, "latency": {"percentiles_ms": {"50": 5, "99.9": 80}},
            "percent": {"decline_do_not_honor": 12.5, "reset_after_charging": 87.5}}"#;
        let behaviour: Behaviour = json.parse().unwrap();
        let shown = serde_json::to_vec(&behaviour).unwrap();
        assert_eq!(Behaviour::parse(&shown, 0).unwrap(), behaviour);
        assert_eq!(Behaviour::parse(b"{}", 9).unwrap(), Behaviour::good(9));
    }

    #[test]
    fn keys_get_their_share_and_always_the_same() {
        let json = r#"{"percent": {"slow": 10, "timeout_after_charging": 30}}"#;
        let behaviour = Behaviour::parse(json.as_bytes(), 1).unwrap();
        let other = Behaviour::parse(json.as_bytes(), 2).unwrap();
        let mut counts: BTreeMap<Option<MagicAmount>, i32> = BTreeMap::new();
        let mut differ = 0;
        for key in 0..10_000 {
            let drawn = behaviour.misbehaviour_of(key);
            assert_eq!(drawn, behaviour.misbehaviour_of(key));
            differ += i32::from(drawn != other.misbehaviour_of(key));
            *counts.entry(drawn).or_default() += 1;
        }
        let near = |count: Option<&i32>, expected: i32| {
            let count = count.copied().unwrap_or_default();
            assert!((count - expected).abs() < 300, "{count} of 10000, not {expected}");
        };
        near(counts.get(&None), 6_000);
        near(counts.get(&Some(MagicAmount::Slow)), 1_000);
        near(counts.get(&Some(MagicAmount::TimeoutAfterCharging)), 3_000);
        assert!(differ > 1_000, "another seed draws otherwise");
        let all: Behaviour = r#"{"percent": {"slow": 100}}"#.parse().unwrap();
        assert!((0..1_000).all(|key| all.misbehaviour_of(key) == Some(MagicAmount::Slow)));
    }

    #[test]
    fn pauses_have_the_distribution_that_was_asked_for() {
        let rows = [
            (r#"{"fixed_ms": 20}"#, 20.0, 20.0),
            (r#"{"uniform_ms": {"from": 10, "to": 30}}"#, 20.0, 29.8),
            (r#"{"lognormal_ms": {"median": 20, "p99": 200}}"#, 20.0, 200.0),
            (r#"{"percentiles_ms": {"50": 20, "99": 200, "100": 300}}"#, 20.0, 200.0),
        ];
        for (latency, median, p99) in rows {
            let json = format!(r#"{{"latency": {latency}}}"#);
            let behaviour = Behaviour::parse(json.as_bytes(), 3).unwrap();
            let mut pauses: Vec<Duration> =
                (0..20_000).map(|n| behaviour.latency_of(n).unwrap()).collect();
            pauses.sort();
            let near = |index: usize, expected: f64| {
                let ms = pauses[index].as_secs_f64() * 1000.0;
                assert!((ms / expected - 1.0).abs() < 0.15, "{latency}: {ms}, not {expected}");
            };
            near(10_000, median);
            near(19_800, p99);
        }
        assert_eq!(Behaviour::good(1).latency_of(1), None);
    }
}
