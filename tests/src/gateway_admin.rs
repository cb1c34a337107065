//! The admin API of a gateway simulator, as a test uses it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller};

/// Tells a simulator what to do, and asks what it did.
#[derive(Debug, Clone)]
pub struct GatewayAdmin(Caller);

impl GatewayAdmin {
    /// The admin API of the simulator at this base.
    pub fn new(base: String) -> Self {
        Self(Caller::new(base))
    }

    /// Behaves so from now on.
    pub async fn behave(&self, behaviour: &Value) {
        self.send(Method::PUT, "/admin/behaviour", behaviour).await.expect(200);
    }

    /// Behaves well again.
    pub async fn behave_well(&self) {
        self.send(Method::DELETE, "/admin/behaviour", &json!({})).await.expect(200);
    }

    /// Forgets a key that has its charge, as after its retention.
    pub async fn forget(&self, key: &str) {
        let path = format!("/admin/keys?idempotency_key={key}");
        let forgotten = self.send(Method::DELETE, &path, &json!({})).await.expect(200);
        assert_eq!(forgotten.body["forgotten"], true, "{forgotten:?}");
    }

    /// Is away for so long, in one of the ways it knows.
    pub async fn begin_outage(&self, kind: &str, seconds: f64) {
        let wish = json!({"kind": kind, "seconds": seconds});
        self.send(Method::POST, "/admin/outage", &wish).await.expect(200);
    }

    /// The outage is over.
    pub async fn end_outage(&self) {
        self.send(Method::DELETE, "/admin/outage", &json!({})).await.expect(200);
    }

    /// The charges for a payment, each with its number of submissions.
    pub async fn charges_for(&self, payment_id: &str) -> Vec<Value> {
        let answer = self.0.get(&format!("/admin/charges?reference={payment_id}")).await;
        answer.expect(200).body["charges"].as_array().expect("a list").clone()
    }

    /// Fails unless its own audit says that no key and no payment was charged twice; gives what it
    /// says.
    pub async fn assert_nobody_charged_twice(&self) -> Value {
        let answer = self.0.get("/admin/audit").await.expect(200).body;
        let audit = &answer["audit"];
        assert_eq!(audit["keys_charged_twice"], 0, "{answer}");
        assert_eq!(audit["payments_charged_twice"], 0, "{answer}");
        assert_eq!(audit["charges"], audit["keys"], "{answer}");
        answer
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let sent = self.0.send(method, path, &[], body.to_string().into_bytes()).await;
        sent.expect("the simulator answers")
    }
}
