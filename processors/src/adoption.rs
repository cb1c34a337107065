//! Decides which configuration a shard says it decides by: the journal then names and holds every
//! configuration that its entries were decided under.

use schemas::ErrorCode;
use schemas::event::{Event, PolicyAdopted};
use schemas::inputs::AdoptPolicy;

use crate::draft::{Draft, Refusal, Rejection};
use crate::state::ReadLedger;

/// The longest configuration, in bytes: an entry must have room for it.
const MAX_CONFIGURATION_BYTES: usize = 64 << 10;

/// Decides one adoption; the version that was adopted last is a replay.
pub(crate) fn adopt(state: &dyn ReadLedger, request: &AdoptPolicy) -> Result<Draft, Refusal> {
    let length = request.configuration.len();
    if request.version <= 0 || !(1..=MAX_CONFIGURATION_BYTES).contains(&length) {
        let detail = "a version above 0, and a configuration of 1 byte to 64 KiB";
        return Err(Rejection::because(ErrorCode::FieldInvalid, detail).into());
    }
    if state.adopted_policy()? == request.version {
        return Ok(Draft::replayed());
    }
    let mut draft = Draft::accepted();
    draft.event(Event::PolicyAdopted(PolicyAdopted {
        version: request.version,
        configuration: request.configuration.clone(),
    }));
    Ok(draft)
}

#[cfg(test)]
mod tests;
