//! A simulator to talk to, operations to perform, and classes to compare.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use connectors::gateway::operation::{OperationAnswer, OperationKind, OperationRequest, Outcome};
use connectors::gateway::simulator::behaviour::Behaviour;
use connectors::gateway::simulator::ground_truth::{Charge, ChargeStatus};
use connectors::gateway::simulator::{Pace, Simulator, SimulatorError, SimulatorOptions};
use connectors::gateway::simulator_client::SimulatorGateway;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

/// Longer than any loaded machine takes for an answer that comes.
pub const PATIENT: Duration = Duration::from_secs(30);
/// For answers that never come.
pub const IMPATIENT: Duration = Duration::from_secs(2);
/// Pauses of the tests: a short one that is short, a long one that only a stop ends.
pub const PACE: Pace = Pace { short: Duration::from_millis(50), long: Duration::from_hours(1) };

pub struct Running {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), SimulatorError>>,
}

impl Running {
    pub async fn start(state_dir: &Path) -> Self {
        Self::serve(options(state_dir)).await
    }

    pub async fn serve(options: SimulatorOptions) -> Self {
        let simulator = Simulator::bind(options).await.unwrap();
        let address = simulator.local_addr();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(simulator.serve(async {
            let _ = stopped.await;
        }));
        Self { address, stop, served }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn gateway(&self) -> SimulatorGateway {
        SimulatorGateway::new(&self.url("/")).unwrap()
    }

    pub async fn ground_truth(&self) -> Vec<Charge> {
        let response = raw_client().get(self.url("/v1/ground-truth")).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let lines = response.text().await.unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub async fn charges_of(&self, operation: &OperationRequest) -> Vec<ChargeStatus> {
        let of_key = |charge: &Charge| charge.idempotency_key == operation.idempotency_key;
        let charges = self.ground_truth().await;
        charges.into_iter().filter(of_key).map(|charge| charge.status).collect()
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

/// A well-behaved simulator on a free port.
pub fn options(state_dir: &Path) -> SimulatorOptions {
    SimulatorOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state_dir: state_dir.to_owned(),
        pace: PACE,
        behaviour: Behaviour::good(1),
    }
}

pub fn raw_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub fn submit(amount_minor: i64) -> OperationRequest {
    OperationRequest {
        kind: OperationKind::Submit,
        attempt_id: Uuid::new_v4(),
        payment_id: Uuid::new_v4(),
        idempotency_key: Uuid::new_v4().to_string(),
        charge_reference: None,
        amount_minor,
        currency: "USD".to_owned(),
        traceparent: None,
        begun: Instant::now(),
        call_timeout: PATIENT,
    }
}

pub fn inquiry(operation: &OperationRequest) -> OperationRequest {
    let (kind, call_timeout) = (OperationKind::Inquire, PATIENT);
    OperationRequest { kind, call_timeout, ..again(operation) }
}

/// The same operation, its time beginning now.
pub fn again(operation: &OperationRequest) -> OperationRequest {
    OperationRequest { begun: Instant::now(), ..operation.clone() }
}

/// Outcomes without their particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Success,
    Decline,
    NotSent,
    Unknown,
    NotFound,
}

pub fn class(answer: &OperationAnswer) -> Class {
    let evidence = answer.evidence.as_str();
    assert!(evidence.len() <= 4096, "{evidence}");
    serde_json::from_str::<Value>(evidence).unwrap();
    match answer.outcome {
        Outcome::Success { .. } => Class::Success,
        Outcome::Decline { .. } => Class::Decline,
        Outcome::NotSent { .. } => Class::NotSent,
        Outcome::Unknown { .. } => Class::Unknown,
        Outcome::NotFound => Class::NotFound,
    }
}

/// Performs `operation` until `done`, for at most [`PATIENT`].
pub async fn until(
    gateway: &SimulatorGateway,
    operation: &OperationRequest,
    done: impl Fn(&OperationAnswer) -> bool,
) -> OperationAnswer {
    let deadline = Instant::now() + PATIENT;
    loop {
        let answer = gateway.perform(&again(operation)).await;
        if done(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?}");
        tokio::task::yield_now().await;
    }
}
