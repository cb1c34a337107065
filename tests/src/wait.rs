//! Waiting for a condition, with a deadline: the only way in which these tests wait.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemas::Timestamp;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Between two looks: short beside what is waited for, long beside what a look costs.
const PAUSE: Duration = Duration::from_millis(40);

/// Looks until there is something, and gives it. A look that finds nothing gives the state that it
/// saw instead.
///
/// # Panics
/// After `bound`, with the state that was seen last.
pub async fn eventually<T, S: Debug>(
    bound: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, S>,
) -> T {
    let deadline = Instant::now() + bound;
    let mut pause = interval(PAUSE);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        pause.tick().await;
        match timeout_at(deadline, look()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(state)) if Instant::now() < deadline => last = Some(state),
            Ok(Err(state)) => panic!("not within {bound:?}: {what}; last seen: {state:?}"),
            Err(silence) => panic!("not within {bound:?}: {what}; {silence}; last seen: {last:?}"),
        }
    }
}

/// Waits until the clock on the wall is past this time.
pub async fn past(time: Timestamp) {
    let left = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
        let now = Timestamp::from_millis(i64::try_from(now.as_millis()).expect("not yet"));
        // In the millisecond itself, it is not past yet.
        time.plus(Duration::from_millis(1)).since(now)
    };
    let bound = left() + Duration::from_secs(10);
    eventually(bound, &format!("it is past {time}"), async || {
        if left().is_zero() { Ok(()) } else { Err(left()) }
    })
    .await;
}
