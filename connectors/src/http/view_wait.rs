//! Waiting for the views: until they show something, for a bounded time.

use schemas::{ErrorCode, Position};
use tokio::time::{Instant, timeout_at};

use super::Api;
use super::headers::Wait;
use super::problem::Problem;
use crate::ports::{ViewError, Views};

/// A row whose end a caller may prefer to wait for.
pub(super) trait Awaited: Sized + Send {
    /// Whether nothing more comes by itself: it has an outcome, or a person must decide.
    fn is_at_rest(&self) -> bool;

    /// Its latest entry.
    fn position(&self) -> Position;

    /// The row as the views have it now.
    fn again(&self, views: &dyn Views) -> Result<Option<Self>, ViewError>;
}

impl Api {
    /// Looks, and looks again whenever the views have applied more, until there is something or the
    /// deadline has passed.
    pub(super) async fn watch<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut() -> Result<Option<T>, Problem> + Send,
    ) -> Result<Option<T>, Problem> {
        let mut progress = self.ports.views.progress();
        loop {
            // Marked before the look: what is applied during it is looked at again.
            progress.mark_unchanged();
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            match timeout_at(deadline, progress.changed()).await {
                Ok(Ok(())) => {}
                // The views have stopped, or the time is up.
                Ok(Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    /// What a GET is about; what was just accepted is waited for.
    pub(super) async fn known<R>(
        &self,
        id: [u8; 16],
        look: impl Fn(&dyn Views) -> Result<Option<R>, ViewError> + Send + Sync,
    ) -> Result<Option<R>, Problem> {
        let views = &*self.ports.views;
        let row = look(views)?;
        if row.is_some() || !self.recently_accepted.contains(id) {
            return Ok(row);
        }
        let deadline = Instant::now() + self.options.view_timeout;
        self.watch(deadline, || Ok(look(views)?)).await
    }

    /// The row once it is at rest, or as it is when the preferred wait is over.
    pub(super) async fn until_at_rest<R: Awaited>(
        &self,
        row: R,
        wait: Wait,
        deadline: Instant,
    ) -> Result<R, Problem> {
        if wait.seconds().is_none() || row.is_at_rest() {
            return Ok(row);
        }
        let partition = row.position().partition;
        let mut seen = Some(row.position());
        let mut latest = row;
        let look = || {
            // Most steps of the views are about other shards; a look at the row costs more.
            let applied = self.ports.views.applied(partition);
            if applied == seen {
                return Ok(None);
            }
            seen = applied;
            if let Some(row) = latest.again(&*self.ports.views)? {
                latest = row;
            }
            Ok(latest.is_at_rest().then_some(()))
        };
        self.watch(deadline, look).await?;
        Ok(latest)
    }

    /// Waits until the views have applied all of these positions.
    ///
    /// # Errors
    /// `position_not_reached`, when the time was not enough.
    pub(super) async fn reach(&self, demanded: &[Position]) -> Result<(), Problem> {
        let missing = || demanded.iter().find(|position| !self.has_applied(**position));
        if missing().is_none() {
            return Ok(());
        }
        let deadline = Instant::now() + self.options.view_timeout;
        let look = || Ok(if missing().is_none() { Some(()) } else { None });
        match (self.watch(deadline, look).await?, missing()) {
            (Some(()), _) | (None, None) => Ok(()),
            (None, Some(position)) => {
                let detail = format!("The view has not reached {position} yet; repeat it.");
                Err(Problem::because(ErrorCode::PositionNotReached, detail))
            }
        }
    }

    fn has_applied(&self, position: Position) -> bool {
        self.ports.views.applied(position.partition).is_some_and(|applied| applied >= position)
    }
}
