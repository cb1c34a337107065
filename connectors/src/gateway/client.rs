//! The clients of gateways, one for each kind.

use super::operation::{OperationAnswer, OperationRequest};
use super::simulator::InProcessGateway;
use super::simulator_client::SimulatorGateway;

/// The client of a gateway; clones share its connections.
#[derive(Debug, Clone)]
pub enum GatewayClient {
    /// The gateway simulator, over HTTP.
    Simulator(SimulatorGateway),
    /// The same without HTTP, in this process: for benchmarks and tests.
    InProcess(InProcessGateway),
}

impl GatewayClient {
    /// Tries `operation` once and says what became of it. Dropping the future before it completes
    /// leaves the outcome unknown.
    pub async fn perform(&self, operation: &OperationRequest) -> OperationAnswer {
        match self {
            Self::Simulator(gateway) => gateway.perform(operation).await,
            Self::InProcess(gateway) => gateway.perform(operation).await,
        }
    }
}
