//! How the calls to a gateway go, for whoever asks: metrics, the API, a person.

use std::sync::{Arc, Mutex, PoisonError};

use connectors::gateway::breaker::BreakerState;
use connectors::gateway::table::GatewayTable;
use connectors::ports::{BreakerWord, GatewayStates, GatewayTraffic};
use schemas::GatewayName;
use tokio::time::Instant;

use super::lane::Lane;
use crate::wall_clock;

/// How the calls to one gateway go in this process, as of the last time that something changed.
#[derive(Debug)]
pub struct GatewayStatus {
    name: GatewayName,
    limit: usize,
    shown: Mutex<Shown>,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    breaker: BreakerState,
    under_way: usize,
    waiting: usize,
}

impl GatewayStatus {
    /// Of a gateway that nobody has called yet.
    pub fn new(name: GatewayName, limit: usize) -> Self {
        let shown = Shown { breaker: BreakerState::Closed, under_way: 0, waiting: 0 };
        Self { name, limit, shown: Mutex::new(shown) }
    }

    /// Which gateway.
    pub fn name(&self) -> &GatewayName {
        &self.name
    }

    /// Shows a lane as it is now; gives the state of its breaker that was shown before.
    pub(super) fn show(&self, lane: &Lane, now: Instant) -> BreakerState {
        let shown = Shown {
            breaker: lane.breaker(now),
            under_way: lane.under_way(),
            waiting: lane.waiting(),
        };
        let mut before = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *before, shown).breaker
    }

    /// How its calls go.
    pub fn traffic(&self) -> GatewayTraffic {
        let shown = *self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (breaker, open_until) = match shown.breaker {
            BreakerState::Closed => (BreakerWord::Closed, None),
            BreakerState::Open { until } if until > now => {
                (BreakerWord::Open, Some(wall_clock::now().plus(until - now)))
            }
            // Its time is up: the next operation is a probe.
            BreakerState::Open { .. } | BreakerState::HalfOpen => (BreakerWord::HalfOpen, None),
        };
        GatewayTraffic {
            breaker,
            open_until,
            under_way: shown.under_way,
            limit: self.limit,
            waiting: shown.waiting,
        }
    }
}

/// The gateways that this process calls: none without the role gateway.
#[derive(Debug, Default)]
pub struct GatewayBoard(Vec<Arc<GatewayStatus>>);

impl GatewayBoard {
    /// Of a process that calls every gateway of the table.
    pub fn of(table: &GatewayTable) -> Self {
        let status = |row: &connectors::gateway::table::GatewayRow| {
            let limit = usize::try_from(row.concurrency).unwrap_or(usize::MAX);
            Arc::new(GatewayStatus::new(row.name.clone(), limit))
        };
        Self(table.gateways().iter().map(status).collect())
    }

    /// Of a gateway, if it is called here.
    pub fn status(&self, name: &GatewayName) -> Option<&Arc<GatewayStatus>> {
        self.0.iter().find(|status| status.name() == name)
    }

    /// All of them.
    pub fn statuses(&self) -> &[Arc<GatewayStatus>] {
        &self.0
    }
}

impl GatewayStates for GatewayBoard {
    fn traffic(&self, name: &GatewayName) -> Option<GatewayTraffic> {
        self.status(name).map(|status| status.traffic())
    }
}
