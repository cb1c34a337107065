//! The clients of gateways, one for each kind.

use std::time::Duration;

use super::operation::{OperationAnswer, OperationRequest};
use super::simulator::InProcessGateway;
use super::simulator_client::SimulatorGateway;
use super::stripe::StripeGateway;

/// The client of a gateway; clones share its connections.
#[derive(Debug, Clone)]
pub enum GatewayClient {
    /// The gateway simulator, over HTTP.
    Simulator(Box<SimulatorGateway>),
    /// The same without HTTP, in this process: for benchmarks and tests.
    InProcess(InProcessGateway),
    /// Stripe.
    Stripe(Box<StripeGateway>),
}

impl GatewayClient {
    /// Asks whether the gateway is there, without charging anybody.
    ///
    /// # Errors
    /// Why it does not answer well.
    pub async fn probe(&self, at_most: Duration) -> Result<(), String> {
        match self {
            Self::Simulator(gateway) => gateway.probe(at_most).await,
            Self::InProcess(_) => Ok(()),
            Self::Stripe(gateway) => gateway.probe(at_most).await,
        }
    }

    /// Tries `operation` once and says what became of it. Dropping the future before it completes
    /// leaves the outcome unknown.
    pub async fn perform(&self, operation: &OperationRequest) -> OperationAnswer {
        match self {
            Self::Simulator(gateway) => gateway.perform(operation).await,
            Self::InProcess(gateway) => gateway.perform(operation).await,
            Self::Stripe(gateway) => gateway.perform(operation).await,
        }
    }
}
