//! What a client is asked for an operation that the journal asks for.
//!
//! A charge goes under the key of its attempt, a refund under its own; what a refund gives back is
//! named by the gateway's own id of that charge, which the journal has.

use std::time::Duration;

use connectors::gateway::operation::{OperationKind, OperationRequest};
use schemas::event::GatewayOperationRequested;
use tokio::time::Instant;
use uuid::Uuid;

/// The question to a client, whose time began at `begun`; none for what nobody can be asked.
pub(super) fn asked(
    request: &GatewayOperationRequested,
    begun: Instant,
    call_timeout: Duration,
) -> Option<OperationRequest> {
    let kind = OperationKind::of(request.operation)?;
    let charge = request.refund.as_ref().map(|refund| refund.charge_reference.clone());
    Some(OperationRequest {
        kind,
        attempt_id: Uuid::from_bytes(*request.operation_id.as_bytes()),
        payment_id: Uuid::from_bytes(*request.payment_id.as_bytes()),
        idempotency_key: request.operation_id.to_string(),
        charge_reference: charge.filter(|reference| !reference.is_empty()),
        amount_minor: request.amount.minor(),
        currency: request.currency.code().to_owned(),
        traceparent: None,
        begun,
        call_timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::event::RefundOf;
    use schemas::inputs::GatewayOperationKind;
    use schemas::{Amount, OperationId, PaymentId, RefundId, Timestamp, WalletId};

    const CALL: Duration = Duration::from_secs(3);

    fn request(operation: GatewayOperationKind, charge: Option<&str>) -> GatewayOperationRequested {
        GatewayOperationRequested {
            payment_id: PaymentId::from_bytes([1; 16]),
            wallet_id: WalletId::from_bytes([2; 16]),
            operation_id: OperationId::from_bytes([3; 16]),
            operation_seq: 1,
            operation,
            gateway: "simulator".parse().expect("a name"),
            amount: Amount::try_from(250).expect("an amount"),
            currency: "EUR".parse().expect("a currency"),
            not_after: Timestamp::default(),
            conclusive_after: Timestamp::default(),
            correlation_id: String::new(),
            refund: charge.map(|reference| {
                Box::new(RefundOf {
                    refund_id: RefundId::from_bytes([3; 16]),
                    charge_operation_id: OperationId::from_bytes([4; 16]),
                    charge_reference: reference.to_owned(),
                })
            }),
        }
    }

    #[test]
    fn every_operation_of_the_ledger_is_a_question_and_a_refund_names_its_charge() {
        use GatewayOperationKind::{Inquire, InquireRefund, Notify, NotifyRefund, Refund, Submit};
        let rows = [
            (Submit, None, Some((OperationKind::Submit, None))),
            (Inquire, None, Some((OperationKind::Inquire, None))),
            (Refund, Some("ch_1"), Some((OperationKind::Refund, Some("ch_1")))),
            (InquireRefund, Some("ch_1"), Some((OperationKind::InquireRefund, Some("ch_1")))),
            (Refund, Some(""), Some((OperationKind::Refund, None))),
            (Notify, None, None),
            (NotifyRefund, Some("ch_1"), None),
        ];
        for (operation, charge, expected) in rows {
            let question = asked(&request(operation, charge), Instant::now(), CALL);
            let found = question.as_ref().map(|it| (it.kind, it.charge_reference.as_deref()));
            assert_eq!(found, expected, "{operation:?} of {charge:?}");
            if let Some(question) = question {
                assert_eq!(question.idempotency_key, OperationId::from_bytes([3; 16]).to_string());
                assert_eq!((question.amount_minor, question.currency.as_str()), (250, "EUR"));
            }
        }
    }
}
