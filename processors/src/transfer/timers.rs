//! The one timer of a transfer, at its sender: the receiver has not answered, ask again.

use schemas::{ErrorCode, TransferId};

use super::state::Phase;
use super::steps::ask;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::state::ReadLedger;

/// Decides a due timer.
pub(crate) fn fired(
    state: &dyn ReadLedger,
    id: TransferId,
    generation: i64,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let Some(transfer) = state.transfer(id)? else {
        let detail = format!("a timer is about transfer {id}, which does not exist");
        return Err(Rejection::because(ErrorCode::UnknownOperation, detail).into());
    };
    if transfer.timer_generation != generation || transfer.phase != Phase::Held {
        return Ok(Draft::replayed());
    }
    let mut draft = Draft::accepted();
    ask(&mut draft, &transfer, ctx);
    Ok(draft)
}
