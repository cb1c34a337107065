//! The clock on the wall, for the edges. Decisions never see it.

use std::time::{SystemTime, UNIX_EPOCH};

use schemas::Timestamp;

/// Now, in whole milliseconds.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
