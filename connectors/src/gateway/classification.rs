//! The one table from what came back over the wire to an outcome class.
//!
//! Two pure steps, so that a gateway's client holds no judgement of its own:
//! [`AnswerKind::describe`] joins the HTTP status with what the client recognised in the body, and
//! [`classify`] says what that means for the operation.
//!
//! The laws of the table:
//!
//! - `not_sent` only if no byte of this request can have left ([`AnswerKind::NotConnected`]), or if
//!   the gateway itself says, in its own documented error body, that it did not process the request
//!   ([`BodyReading::RefusedUnprocessed`]). The status alone proves nothing: a proxy sends 401,
//!   403, 404 and 429 as well, after or before the gateway acted.
//! - A 5xx answer to a submission is unknown whatever its body says: the process that wrote it is
//!   the one that has just failed.
//! - Nothing but the gateway's own statement about our key is `not_found`; a 404 page is unknown.
//! - A success must carry our key and our reference, else it is another caller's charge: unknown.
//! - What the gateway has accepted and not decided is unknown, however well it looks.
//! - An inquiry that fails is unknown, also when it never left: not having asked says nothing about
//!   the attempt that is asked about.
//!
//! A refund stands in the columns of a charge: both move money once, under a key of their own.
//!
//! What the table deliberately does not know: earlier tries of the same operation. `not_sent`
//! speaks of this try only; that an earlier one may have been sent is the ledger's to remember.

/// What is asked of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Charge: moves money when it succeeds.
    Submit,
    /// Ask what became of a charge: moves nothing.
    Inquire,
    /// Give a charge back, or a part of it: moves money when it succeeds.
    Refund,
    /// Ask what became of a refund: moves nothing.
    InquireRefund,
}

/// Whether a refusal carries the gateway's own statement that nothing was processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Processing {
    /// The documented error body says so.
    DeclaredUnprocessed,
    /// Nothing says so.
    Undeclared,
}

/// What a client recognised in the body of an answer. "Ours" means that the ids which the gateway
/// was given (key, payment, attempt or refund) are those of the request. A refund is read as a
/// charge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyReading {
    /// Our charge, which succeeded.
    ChargeSucceeded,
    /// Our charge, which was declined.
    ChargeDeclined,
    /// Our charge, which the gateway has not decided yet.
    ChargePending,
    /// A well-formed charge that is not ours.
    ChargeOfAnother,
    /// The gateway's own statement that it has no charge under our key.
    NothingFound,
    /// The gateway's own error body, saying that the request was not processed.
    RefusedUnprocessed,
    /// The gateway's own error body, which does not say whether the request was processed.
    Refused,
    /// Anything else: malformed, incomplete, too long, another producer's page.
    Unrecognised,
}

/// What came back for one call of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// The request could not be built: the gateway cannot be asked this.
    NotBuilt,
    /// Connection refused, name not resolved, connect time-out, failed TLS handshake: no byte of
    /// the request can have been sent.
    NotConnected,
    /// The connection was reset or closed before the answer was complete.
    ConnectionLost,
    /// The call's time ran out; connecting counts as call time.
    TimedOut,
    /// 2xx, our charge succeeded.
    ChargeSucceeded,
    /// 2xx or 402, our charge was declined.
    ChargeDeclined,
    /// 2xx, our charge is not decided yet.
    ChargePending,
    /// 2xx, a charge with a key, reference or attempt that is not ours.
    ChargeOfAnother,
    /// 2xx, the gateway states that it has no charge under our key.
    NothingFound,
    /// 2xx with any other body.
    MalformedSuccess,
    /// 3xx; redirects are not followed.
    Redirected,
    /// 401 or 403.
    Unauthorized(Processing),
    /// 404 with the gateway's own statement that it has no charge under our key.
    NotFoundDocumented,
    /// 404 with any other body, such as a proxy's page.
    NotFoundPage,
    /// 409.
    Conflict,
    /// 425.
    TooEarly(Processing),
    /// 429.
    RateLimited(Processing),
    /// Any other 4xx.
    OtherRefusal(Processing),
    /// 5xx.
    ServerError,
    /// A status outside 2xx to 5xx.
    UnassignedStatus,
}

/// What an answer says about the gateway itself, whatever became of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// It answers as documented.
    Well,
    /// It is away, overloaded, broken, or does not take our credentials.
    Ill,
}

/// What an answer means for the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeClass {
    /// The money was taken.
    Success,
    /// The gateway decided against the charge, definitely.
    Decline,
    /// This try did not reach the gateway, or the gateway declares that it did nothing with it.
    NotSent,
    /// Nobody knows.
    Unknown,
    /// The gateway states that it has no charge under this key.
    NotFound,
}

impl Processing {
    const fn read(body: BodyReading) -> Self {
        match body {
            BodyReading::RefusedUnprocessed => Self::DeclaredUnprocessed,
            BodyReading::ChargeSucceeded
            | BodyReading::ChargeDeclined
            | BodyReading::ChargePending
            | BodyReading::ChargeOfAnother
            | BodyReading::NothingFound
            | BodyReading::Refused
            | BodyReading::Unrecognised => Self::Undeclared,
        }
    }
}

impl AnswerKind {
    /// What the answer says about the gateway itself.
    pub const fn health(self) -> Health {
        use Processing::{DeclaredUnprocessed, Undeclared};
        match self {
            Self::NotBuilt
            | Self::ChargeSucceeded
            | Self::ChargeDeclined
            | Self::ChargePending
            | Self::NothingFound
            | Self::NotFoundDocumented
            | Self::Conflict
            | Self::OtherRefusal(DeclaredUnprocessed) => Health::Well,
            Self::NotConnected
            | Self::ConnectionLost
            | Self::TimedOut
            | Self::ChargeOfAnother
            | Self::MalformedSuccess
            | Self::Redirected
            | Self::Unauthorized(_)
            | Self::NotFoundPage
            | Self::TooEarly(_)
            | Self::RateLimited(_)
            // Somebody else's page, as likely as not.
            | Self::OtherRefusal(Undeclared)
            | Self::ServerError
            | Self::UnassignedStatus => Health::Ill,
        }
    }

    /// The answer described by an HTTP status code and what was recognised in the body.
    pub const fn describe(status: u16, body: BodyReading) -> Self {
        match status {
            200..=299 => match body {
                BodyReading::ChargeSucceeded => Self::ChargeSucceeded,
                BodyReading::ChargeDeclined => Self::ChargeDeclined,
                BodyReading::ChargePending => Self::ChargePending,
                BodyReading::ChargeOfAnother => Self::ChargeOfAnother,
                BodyReading::NothingFound => Self::NothingFound,
                BodyReading::RefusedUnprocessed
                | BodyReading::Refused
                | BodyReading::Unrecognised => Self::MalformedSuccess,
            },
            300..=399 => Self::Redirected,
            401 | 403 => Self::Unauthorized(Processing::read(body)),
            402 if matches!(body, BodyReading::ChargeDeclined) => Self::ChargeDeclined,
            404 => match body {
                BodyReading::NothingFound => Self::NotFoundDocumented,
                BodyReading::RefusedUnprocessed => {
                    Self::OtherRefusal(Processing::DeclaredUnprocessed)
                }
                BodyReading::ChargeSucceeded
                | BodyReading::ChargeDeclined
                | BodyReading::ChargePending
                | BodyReading::ChargeOfAnother
                | BodyReading::Refused
                | BodyReading::Unrecognised => Self::NotFoundPage,
            },
            409 => Self::Conflict,
            425 => Self::TooEarly(Processing::read(body)),
            429 => Self::RateLimited(Processing::read(body)),
            400..=499 => Self::OtherRefusal(Processing::read(body)),
            500..=599 => Self::ServerError,
            _ => Self::UnassignedStatus,
        }
    }
}

/// What `answer` means for an operation of kind `operation`.
pub const fn classify(operation: OperationKind, answer: AnswerKind) -> OutcomeClass {
    use AnswerKind as A;
    use OutcomeClass::{Decline, NotFound, NotSent, Success, Unknown};
    use Processing::{DeclaredUnprocessed, Undeclared};
    let (submit, inquire) = match answer {
        A::ChargeSucceeded => (Success, Success),
        A::ChargeDeclined => (Decline, Decline),
        // A submission that is answered with "no such charge" contradicts itself.
        A::NothingFound | A::NotFoundDocumented => (Unknown, NotFound),
        A::NotBuilt
        | A::NotConnected
        | A::Unauthorized(DeclaredUnprocessed)
        | A::TooEarly(DeclaredUnprocessed)
        | A::RateLimited(DeclaredUnprocessed)
        | A::OtherRefusal(DeclaredUnprocessed) => (NotSent, Unknown),
        A::ConnectionLost
        | A::TimedOut
        | A::ChargePending
        | A::ChargeOfAnother
        | A::MalformedSuccess
        | A::Redirected
        | A::NotFoundPage
        // 409 tells of another try with this key, which is under way or settled otherwise.
        | A::Conflict
        | A::Unauthorized(Undeclared)
        | A::TooEarly(Undeclared)
        | A::RateLimited(Undeclared)
        | A::OtherRefusal(Undeclared)
        | A::ServerError
        | A::UnassignedStatus => (Unknown, Unknown),
    };
    match operation {
        OperationKind::Submit | OperationKind::Refund => submit,
        OperationKind::Inquire | OperationKind::InquireRefund => inquire,
    }
}

#[cfg(test)]
mod tests {
    use super::AnswerKind as A;
    use super::BodyReading as B;
    use super::OutcomeClass::{Decline, NotFound, NotSent, Success, Unknown};
    use super::Processing::{DeclaredUnprocessed, Undeclared};
    use super::*;

    /// Answer, class for a submission, class for an inquiry: a row for every combination.
    const ROWS: [(AnswerKind, OutcomeClass, OutcomeClass); 24] = [
        (A::NotConnected, NotSent, Unknown),
        (A::ConnectionLost, Unknown, Unknown),
        (A::TimedOut, Unknown, Unknown),
        (A::ChargeSucceeded, Success, Success),
        (A::ChargeDeclined, Decline, Decline),
        (A::ChargeOfAnother, Unknown, Unknown),
        (A::NothingFound, Unknown, NotFound),
        (A::MalformedSuccess, Unknown, Unknown),
        (A::Redirected, Unknown, Unknown),
        (A::Unauthorized(DeclaredUnprocessed), NotSent, Unknown),
        (A::Unauthorized(Undeclared), Unknown, Unknown),
        (A::NotFoundDocumented, Unknown, NotFound),
        (A::NotFoundPage, Unknown, Unknown),
        (A::Conflict, Unknown, Unknown),
        (A::TooEarly(DeclaredUnprocessed), NotSent, Unknown),
        (A::TooEarly(Undeclared), Unknown, Unknown),
        (A::RateLimited(DeclaredUnprocessed), NotSent, Unknown),
        (A::RateLimited(Undeclared), Unknown, Unknown),
        (A::OtherRefusal(DeclaredUnprocessed), NotSent, Unknown),
        (A::OtherRefusal(Undeclared), Unknown, Unknown),
        (A::ServerError, Unknown, Unknown),
        (A::UnassignedStatus, Unknown, Unknown),
        (A::ChargePending, Unknown, Unknown),
        (A::NotBuilt, NotSent, Unknown),
    ];

    /// The row an answer stands in. Exhaustive, so that a new answer does not compile without one.
    const fn row(answer: AnswerKind) -> usize {
        match answer {
            A::NotConnected => 0,
            A::ConnectionLost => 1,
            A::TimedOut => 2,
            A::ChargeSucceeded => 3,
            A::ChargeDeclined => 4,
            A::ChargeOfAnother => 5,
            A::NothingFound => 6,
            A::MalformedSuccess => 7,
            A::Redirected => 8,
            A::Unauthorized(DeclaredUnprocessed) => 9,
            A::Unauthorized(Undeclared) => 10,
            A::NotFoundDocumented => 11,
            A::NotFoundPage => 12,
            A::Conflict => 13,
            A::TooEarly(DeclaredUnprocessed) => 14,
            A::TooEarly(Undeclared) => 15,
            A::RateLimited(DeclaredUnprocessed) => 16,
            A::RateLimited(Undeclared) => 17,
            A::OtherRefusal(DeclaredUnprocessed) => 18,
            A::OtherRefusal(Undeclared) => 19,
            A::ServerError => 20,
            A::UnassignedStatus => 21,
            A::ChargePending => 22,
            A::NotBuilt => 23,
        }
    }

    #[test]
    fn every_answer_has_its_class_for_every_operation() {
        for (index, (answer, submit, inquire)) in ROWS.into_iter().enumerate() {
            assert_eq!(row(answer), index, "{answer:?} stands in another row");
            for moving in [OperationKind::Submit, OperationKind::Refund] {
                assert_eq!(classify(moving, answer), submit, "{moving:?} {answer:?}");
            }
            for asking in [OperationKind::Inquire, OperationKind::InquireRefund] {
                assert_eq!(classify(asking, answer), inquire, "{asking:?} {answer:?}");
            }
        }
    }

    const BODIES: [BodyReading; 8] = [
        B::ChargeSucceeded,
        B::ChargeDeclined,
        B::ChargeOfAnother,
        B::NothingFound,
        B::RefusedUnprocessed,
        B::Refused,
        B::Unrecognised,
        B::ChargePending,
    ];

    /// For each status, the answer per body in the order of `BODIES`.
    fn described(status: u16) -> [AnswerKind; 8] {
        let refused = |kind: fn(Processing) -> AnswerKind| {
            let undeclared = kind(Undeclared);
            [
                undeclared,
                undeclared,
                undeclared,
                undeclared,
                kind(DeclaredUnprocessed),
                undeclared,
                undeclared,
                undeclared,
            ]
        };
        match status {
            200 | 201 | 202 | 204 | 299 => [
                A::ChargeSucceeded,
                A::ChargeDeclined,
                A::ChargeOfAnother,
                A::NothingFound,
                A::MalformedSuccess,
                A::MalformedSuccess,
                A::MalformedSuccess,
                A::ChargePending,
            ],
            300 | 302 | 304 | 307 | 308 => [A::Redirected; 8],
            401 | 403 => refused(A::Unauthorized),
            402 => {
                let mut answers = refused(A::OtherRefusal);
                answers[1] = A::ChargeDeclined;
                answers
            }
            404 => [
                A::NotFoundPage,
                A::NotFoundPage,
                A::NotFoundPage,
                A::NotFoundDocumented,
                A::OtherRefusal(DeclaredUnprocessed),
                A::NotFoundPage,
                A::NotFoundPage,
                A::NotFoundPage,
            ],
            409 => [A::Conflict; 8],
            425 => refused(A::TooEarly),
            429 => refused(A::RateLimited),
            400 | 405 | 408 | 410 | 413 | 415 | 422 | 451 | 499 => refused(A::OtherRefusal),
            500 | 501 | 502 | 503 | 504 | 520 | 599 => [A::ServerError; 8],
            100 | 101 | 199 | 600 | 999 => [A::UnassignedStatus; 8],
            unlisted => panic!("no row for status {unlisted}"),
        }
    }

    #[test]
    fn status_and_body_describe_the_answer() {
        let statuses = [
            100, 101, 199, 200, 201, 202, 204, 299, 300, 302, 304, 307, 308, 400, 401, 402, 403,
            404, 405, 408, 409, 410, 413, 415, 422, 425, 429, 451, 499, 500, 501, 502, 503, 504,
            520, 599, 600, 999,
        ];
        for status in statuses {
            for (body, expected) in BODIES.into_iter().zip(described(status)) {
                assert_eq!(AnswerKind::describe(status, body), expected, "{status} {body:?}");
            }
        }
    }

    #[test]
    fn only_a_2xx_body_of_ours_takes_money() {
        for status in 0..=u16::from(u8::MAX) * 4 {
            for body in BODIES {
                let class = classify(OperationKind::Submit, AnswerKind::describe(status, body));
                let ours = (200..300).contains(&status) && body == B::ChargeSucceeded;
                assert_eq!(class == Success, ours, "{status} {body:?}");
                let not_sent =
                    (400..500).contains(&status) && status != 409 && body == B::RefusedUnprocessed;
                assert_eq!(class == NotSent, not_sent, "{status} {body:?}");
            }
        }
    }
}
