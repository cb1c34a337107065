//! What gateways say of attempts and refunds that the shard does not know.

use serde::{Deserialize, Serialize};

use crate::inputs::GatewayResult;

/// A gateway said what became of an attempt or a refund that the shard does not know. It is kept,
/// and counts if that turns up; until then a person should look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanRecorded {
    /// What was said, without its evidence.
    pub result: Box<GatewayResult>,
}

/// The attempt or the refund turned up, and what had been said of it counts as if said now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanApplied {
    /// What was said, as it was recorded.
    pub result: Box<GatewayResult>,
}
