//! Waiting for the views: until they show something, for a bounded time.

use schemas::{ErrorCode, Position};
use tokio::time::{Instant, timeout_at};

use super::Api;
use super::problem::Problem;

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
