//! What a follower may say of an operation. Pure: the laws of "never guess about money".
//!
//! `not_sent` and `expired_unsent` claim that no try of this operation, in any process, can have
//! sent bytes. Only the process that had the shard when the operation appeared can claim that; of
//! one that was there before, an earlier run may have tried it.

use schemas::Timestamp;
use schemas::inputs::GatewayOutcome;

/// Where a follower has an operation from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// It was asked of this run of the follower: nobody else tries it.
    Fresh,
    /// It was asked of an earlier run of the same state directory, which may have tried it.
    Inherited,
}

/// The answer to an operation whose time passed before this follower tried it.
pub fn when_too_late(provenance: Provenance) -> GatewayOutcome {
    match provenance {
        Provenance::Fresh => GatewayOutcome::ExpiredUnsent {},
        Provenance::Inherited => GatewayOutcome::OutcomeUnknown {
            reason: "its time has passed, and an earlier process may have sent it".to_owned(),
        },
    }
}

/// The answer to an operation that this follower tried, as far as it may be claimed.
pub fn when_tried(provenance: Provenance, outcome: GatewayOutcome) -> GatewayOutcome {
    match (provenance, outcome) {
        (Provenance::Inherited, GatewayOutcome::NotSent { reason }) => {
            GatewayOutcome::OutcomeUnknown {
                reason: format!("not sent now ({reason}), but an earlier process may have sent it"),
            }
        }
        (Provenance::Fresh | Provenance::Inherited, outcome) => outcome,
    }
}

/// Whether an operation may still be handed to the HTTP client.
pub fn may_send(now: Timestamp, not_after: Timestamp) -> bool {
    now <= not_after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_sent() -> GatewayOutcome {
        GatewayOutcome::NotSent { reason: "refused".to_owned() }
    }

    fn is_unknown(outcome: &GatewayOutcome) -> bool {
        matches!(outcome, GatewayOutcome::OutcomeUnknown { .. })
    }

    #[test]
    fn unsent_is_claimed_only_by_the_one_who_knows() {
        assert_eq!(when_too_late(Provenance::Fresh), GatewayOutcome::ExpiredUnsent {});
        assert!(is_unknown(&when_too_late(Provenance::Inherited)));
        assert_eq!(when_tried(Provenance::Fresh, not_sent()), not_sent());
        assert!(is_unknown(&when_tried(Provenance::Inherited, not_sent())));
    }

    #[test]
    fn what_the_gateway_said_is_passed_on() {
        let said = [
            GatewayOutcome::Succeeded {
                gateway_reference: "ch_1".to_owned(),
                amount: 1,
                currency: "USD".to_owned(),
            },
            GatewayOutcome::Declined { decline_code: "x".to_owned(), message: String::new() },
            GatewayOutcome::OutcomeUnknown { reason: String::new() },
            GatewayOutcome::NotFound {},
        ];
        for outcome in said {
            for provenance in [Provenance::Fresh, Provenance::Inherited] {
                assert_eq!(when_tried(provenance, outcome.clone()), outcome);
            }
        }
    }

    #[test]
    fn not_after_is_the_last_moment() {
        let at = Timestamp::from_millis;
        assert!(may_send(at(10), at(10)));
        assert!(!may_send(at(11), at(10)));
    }
}
