//! What is asked of Stripe for each operation: forms and queries, no judgement.
//!
//! Invariants: an id that Stripe is to know again stands in the metadata, under names that belong
//! to us; an amount that Stripe cannot represent is not sent.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use http_body_util::Full;
use uuid::Uuid;

use super::StripeGateway;
use super::units;
use crate::gateway::base_url::percent_encoded;
use crate::gateway::classification::OperationKind;
use crate::gateway::operation::OperationRequest;

/// The payment, in the metadata of `PaymentIntents` and refunds.
pub(super) const PAYMENT_ID: &str = "holdfast_payment_id";
/// The attempt, in the metadata of `PaymentIntents`.
pub(super) const ATTEMPT_ID: &str = "holdfast_attempt_id";
/// The refund, in the metadata of refunds.
pub(super) const REFUND_ID: &str = "holdfast_refund_id";
/// What the id of a `PaymentIntent` begins with.
pub(super) const INTENT: &str = "pi_";

/// Two are enough to see that there is more than one.
const SEARCHED: &str = "2";
/// The most that a page can have: more refunds of one payment leave "not found" unsaid.
const LISTED: &str = "100";

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request before it is signed with the key.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Full<Bytes>,
}

/// Names and values, encoded.
struct Form(String);

impl Form {
    fn new() -> Self {
        Self(String::new())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        // A name is ours; Stripe reads its brackets encoded or not.
        self.0.extend([&percent_encoded(name), "=", &percent_encoded(value)]);
        self
    }

    fn with_metadata(self, name: &str, id: Uuid) -> Self {
        self.with(&format!("metadata[{name}]"), &id.to_string())
    }
}

impl Asked {
    pub(super) fn get(target: Uri) -> Self {
        let (headers, body) = (Vec::new(), Full::default());
        Self { method: Method::GET, target, headers, body }
    }

    fn post(target: Uri, idempotency_key: &str, form: Form) -> Result<Self, String> {
        let key = HeaderValue::try_from(idempotency_key).map_err(|error| error.to_string())?;
        let headers = vec![(CONTENT_TYPE, FORM), (IDEMPOTENCY_KEY, key)];
        Ok(Self { method: Method::POST, target, headers, body: Full::from(form.0) })
    }
}

impl StripeGateway {
    /// The request for an operation, or why there can be none.
    pub(super) fn asked(&self, operation: &OperationRequest) -> Result<Asked, String> {
        match operation.kind {
            OperationKind::Submit => self.submission(operation),
            OperationKind::Inquire => self.inquiry(operation),
            OperationKind::Refund => self.refund(operation),
            OperationKind::InquireRefund => {
                let form = Form::new().with("payment_intent", intent(operation)?);
                Ok(Asked::get(queried(&self.refunds, "", &form.with("limit", LISTED))?))
            }
        }
    }

    fn submission(&self, operation: &OperationRequest) -> Result<Asked, String> {
        let amount = units::to_stripe(operation.amount_minor, &operation.currency)?;
        let mut form = Form::new()
            .with("amount", &amount.to_string())
            .with("currency", &operation.currency.to_ascii_lowercase())
            .with("confirm", "true")
            .with("payment_method", &self.payment_method)
            // Nobody is there who could be redirected or asked: what would wait for that fails.
            .with("automatic_payment_methods[enabled]", "true")
            .with("automatic_payment_methods[allow_redirects]", "never")
            .with("error_on_requires_action", "true")
            .with_metadata(PAYMENT_ID, operation.payment_id)
            .with_metadata(ATTEMPT_ID, operation.attempt_id);
        if let Some(customer) = &self.customer {
            form = form.with("customer", customer);
        }
        Asked::post(self.intents.clone(), &operation.idempotency_key, form)
    }

    fn inquiry(&self, operation: &OperationRequest) -> Result<Asked, String> {
        if operation.charge_reference.is_some() {
            let path = format!("/{}", percent_encoded(intent(operation)?));
            return Ok(Asked::get(queried(&self.intents, &path, &Form::new())?));
        }
        let query = format!("metadata[\"{ATTEMPT_ID}\"]:\"{}\"", operation.attempt_id);
        let form = Form::new().with("query", &query).with("limit", SEARCHED);
        Ok(Asked::get(queried(&self.intents, "/search", &form)?))
    }

    fn refund(&self, operation: &OperationRequest) -> Result<Asked, String> {
        let amount = units::to_stripe(operation.amount_minor, &operation.currency)?;
        let form = Form::new()
            .with("payment_intent", intent(operation)?)
            .with("amount", &amount.to_string())
            .with_metadata(PAYMENT_ID, operation.payment_id)
            .with_metadata(REFUND_ID, operation.attempt_id);
        Asked::post(self.refunds.clone(), &operation.idempotency_key, form)
    }
}

/// The `PaymentIntent` that an operation is about.
fn intent(operation: &OperationRequest) -> Result<&str, String> {
    let reference = operation.charge_reference.as_deref().unwrap_or_default();
    if reference.starts_with(INTENT) {
        return Ok(reference);
    }
    Err(format!("{reference:?} is not the id of a PaymentIntent"))
}

fn queried(base: &Uri, path: &str, form: &Form) -> Result<Uri, String> {
    let separator = if form.0.is_empty() { "" } else { "?" };
    let target = format!("{base}{path}{separator}{}", form.0);
    target.parse().map_err(|_| "the request has no valid target".to_owned())
}
