//! The operations that wait for a call: data, not tasks, so that a gateway which is slow or away
//! costs a row for each and nothing else.
//!
//! Whoever must be called soonest is called first: by `not_after`, then by id. An operation that is
//! answered while it waits is passed over.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemas::event::GatewayOperationRequested;
use schemas::{OperationId, Timestamp};

use super::answer::{Provenance, may_send};
use super::outstanding::Outstanding;

/// What waits, by its last moment.
#[derive(Debug, Default)]
pub struct Waiting(BTreeMap<(Timestamp, OperationId, i32), (Provenance, Option<Bytes>)>);

/// An operation whose turn has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What is asked for.
    pub request: GatewayOperationRequested,
    /// Where the follower has it from.
    pub provenance: Provenance,
    /// The trace that it belongs to.
    pub trace: Option<Bytes>,
}

impl Waiting {
    /// Lets an operation wait.
    pub fn push(
        &mut self,
        request: &GatewayOperationRequested,
        provenance: Provenance,
        trace: Option<Bytes>,
    ) {
        let key = (request.not_after, request.operation_id, request.operation_seq);
        self.0.insert(key, (provenance, trace));
    }

    /// How many wait, with those that were answered meanwhile.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last moment of the first in line.
    pub fn first_not_after(&self) -> Option<Timestamp> {
        self.0.first_key_value().map(|((not_after, _, _), _)| *not_after)
    }

    /// The first in line that is still owed an answer.
    pub fn next(&mut self, outstanding: &Outstanding) -> Option<Turn> {
        while let Some(((_, operation_id, seq), (provenance, trace))) = self.0.pop_first() {
            if let Some(request) = outstanding.get(operation_id, seq) {
                return Some(Turn { request: request.clone(), provenance, trace });
            }
        }
        None
    }

    /// The first in line that is still owed an answer and whose time has passed.
    pub fn next_too_late(&mut self, outstanding: &Outstanding, now: Timestamp) -> Option<Turn> {
        let is_too_late = self.first_not_after().is_some_and(|last| !may_send(now, last));
        is_too_late.then(|| self.next(outstanding)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::inputs::GatewayOperationKind;
    use schemas::{Amount, Partition, PaymentId, WalletId};

    fn shard() -> Partition {
        Partition::new(0).expect("valid")
    }

    fn request(seq: i32, not_after: i64) -> GatewayOperationRequested {
        let id = "8b0a3c39-3d0a-8c1e-9f00-000000000001";
        GatewayOperationRequested {
            payment_id: id.parse::<PaymentId>().expect("an id"),
            wallet_id: id.parse::<WalletId>().expect("an id"),
            operation_id: id.parse().expect("an id"),
            operation_seq: seq,
            operation: GatewayOperationKind::Submit,
            gateway: "simulator".parse().expect("a name"),
            amount: Amount::try_from(100).expect("an amount"),
            currency: "USD".parse().expect("a currency"),
            not_after: Timestamp::from_millis(not_after),
            conclusive_after: Timestamp::from_millis(not_after),
            correlation_id: String::new(),
            refund: None,
        }
    }

    /// All of them outstanding and waiting.
    fn line(requests: &[GatewayOperationRequested]) -> (Waiting, Outstanding) {
        let (mut waiting, mut outstanding) = (Waiting::default(), Outstanding::default());
        for request in requests {
            outstanding.ask(shard(), request);
            waiting.push(request, Provenance::Fresh, None);
        }
        (waiting, outstanding)
    }

    #[test]
    fn who_must_be_called_soonest_is_first_and_keeps_where_it_is_from() {
        use Provenance::{Fresh, Inherited};
        let (mut waiting, mut outstanding) = line(&[request(1, 30), request(2, 10)]);
        let inherited = request(3, 20);
        outstanding.ask(shard(), &inherited);
        waiting.push(&inherited, Inherited, None);
        let order: Vec<_> = std::iter::from_fn(|| waiting.next(&outstanding))
            .map(|turn| (turn.request.operation_seq, turn.provenance))
            .collect();
        assert_eq!(order, [(2, Fresh), (3, Inherited), (1, Fresh)]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_was_answered_while_it_waited_is_passed_over() {
        let (mut waiting, mut outstanding) = line(&[request(1, 10), request(2, 20)]);
        outstanding.answer(request(1, 10).operation_id, 1);
        let next = waiting.next(&outstanding).expect("one is left");
        assert_eq!(next.request, request(2, 20));
        assert_eq!(waiting.next(&outstanding), None);
    }

    #[test]
    fn only_what_is_past_its_last_moment_is_too_late() {
        let (mut waiting, outstanding) = line(&[request(1, 10), request(2, 20)]);
        let at = Timestamp::from_millis;
        assert_eq!(waiting.next_too_late(&outstanding, at(10)), None);
        let late = waiting.next_too_late(&outstanding, at(11)).expect("the first is too late");
        assert_eq!(late.request, request(1, 10));
        assert_eq!(waiting.next_too_late(&outstanding, at(20)), None);
        assert_eq!(waiting.first_not_after(), Some(at(20)));
    }
}
