//! Where the subject of a story stands, and what it waits for: a fold of its entries.

use schemas::entry::Entry;
use schemas::event::Event;
use schemas::inputs::{GatewayOperationKind, LegBody};
use schemas::{GatewayName, OperationId, Timestamp};

use super::money;
use super::subject::{Subject, opening_in, refund_in};
use crate::ledger::refund_of;
use crate::timer::TimerSubject;

/// Where it stands.
pub(super) struct Standing {
    subject: Subject,
    /// What it is: `of 100.00 USD from wallet …`.
    what: String,
    state: String,
    wait: Option<Wait>,
    /// When its timer fires.
    due: Option<Timestamp>,
    /// Whom a person asks, and about which key.
    asked: Option<(GatewayName, OperationId)>,
}

enum Wait {
    Charge,
    Refund,
    Inquiry,
    Resend,
    NextInquiry,
    Review,
    Receiver,
}

impl Standing {
    pub(super) fn new(subject: Subject) -> Self {
        let state = "nothing came of it".to_owned();
        Self { subject, what: String::new(), state, wait: None, due: None, asked: None }
    }

    pub(super) fn fold(&mut self, entry: &Entry) {
        let (mut is_told, subject) = (false, self.subject);
        for event in entry.events.iter().filter(|event| subject.is_of(event)) {
            match subject {
                // What becomes of its refunds is another story.
                Subject::Payment(_) if refund_of(event).is_some() => {}
                Subject::Payment(_) | Subject::Refund(_) => is_told |= self.asked_gateway(event),
                Subject::Transfer(_) => is_told |= self.moved(event),
                Subject::Wallet(_) => self.changed(event),
            }
        }
        self.note_timer(entry, is_told);
    }

    fn note_timer(&mut self, entry: &Entry, is_told: bool) {
        let Some(own) = self.subject.timer() else { return };
        let change = entry.timers.iter().find(|change| {
            TimerSubject::of(&change.timer_id).is_some_and(|(subject, _)| subject == own)
        });
        let Some(change) = change else { return };
        self.due = change.due;
        // A timer alone, while the outcome is in doubt: the gateway is asked again.
        if !is_told && matches!(self.wait, Some(Wait::Inquiry)) {
            self.wait = Some(Wait::NextInquiry);
        }
    }

    fn stands(&mut self, state: &str, wait: Option<Wait>) -> bool {
        state.clone_into(&mut self.state);
        self.wait = wait;
        true
    }

    /// Whether the event says what is waited for now.
    fn asked_gateway(&mut self, event: &Event) -> bool {
        match event {
            Event::PaymentRequested(event) => {
                let (money, wallet) =
                    (money(event.amount.minor(), event.currency), event.wallet_id);
                self.what = format!("of {money} from wallet {wallet}");
                self.stands("requested", None)
            }
            Event::GatewayOperationRequested(event) => {
                self.asked = Some((event.gateway.clone(), event.operation_id));
                let is_review = matches!(self.wait, Some(Wait::Review));
                match event.operation {
                    GatewayOperationKind::Submit => {
                        self.stands("being charged", Some(Wait::Charge))
                    }
                    GatewayOperationKind::Refund => {
                        self.stands("being given back", Some(Wait::Refund))
                    }
                    GatewayOperationKind::Inquire | GatewayOperationKind::InquireRefund => {
                        if !is_review {
                            self.wait = Some(Wait::Inquiry);
                        }
                        true
                    }
                    GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => false,
                }
            }
            Event::ResendScheduled(_) | Event::RefundResendScheduled(_) => {
                self.wait = Some(Wait::Resend);
                true
            }
            Event::PaymentInDoubt(_) | Event::RefundInDoubt(_) => {
                self.stands("in doubt", Some(Wait::NextInquiry))
            }
            Event::PaymentReviewRequested(_) | Event::RefundReviewRequested(_) => {
                self.stands("in review", Some(Wait::Review))
            }
            Event::PaymentCompleted(_) => self.stands("completed", None),
            Event::PaymentFailed(event) => self.stands(&format!("failed ({})", event.code), None),
            Event::PaymentCancelled(_) => self.stands("cancelled", None),
            Event::RefundSucceeded(_) => self.stands("succeeded", None),
            Event::RefundFailed(event) => self.stands(&format!("failed ({})", event.code), None),
            event => self.begun_refund(event),
        }
    }

    fn begun_refund(&mut self, event: &Event) -> bool {
        let Subject::Refund(id) = self.subject else { return false };
        let Some(event) = refund_in(id, event) else { return false };
        let money = money(event.amount.minor(), event.currency);
        self.what = format!("of {money} of payment {}", event.payment_id);
        self.stands("requested", None)
    }

    fn moved(&mut self, event: &Event) -> bool {
        match event {
            Event::TransferRequested(event) => {
                self.what = format!(
                    "of {} from wallet {} to wallet {}",
                    money(event.amount.minor(), event.currency),
                    event.wallet_id,
                    event.to_wallet_id
                );
                self.stands("requested", None)
            }
            Event::TransferLegRequested(event) => match event.leg.body {
                LegBody::CreditAsked {} => self.stands("held", Some(Wait::Receiver)),
                LegBody::CreditDone {} | LegBody::CreditRefused { .. } => false,
            },
            Event::TransferCompleted(_) => self.stands("completed", None),
            Event::TransferFailed(event) => self.stands(&format!("failed ({})", event.code), None),
            _ => false,
        }
    }

    fn changed(&mut self, event: &Event) {
        if let Subject::Wallet(id) = self.subject
            && let Some(opened) = opening_in(id, event)
        {
            let (currency, user, label) = (opened.currency, &opened.user_id, &opened.label);
            self.what = format!("in {currency} of {user} ({label})");
            self.stands("active", None);
        }
        let state = match event {
            Event::WalletFrozen(_) => "frozen",
            Event::WalletUnfrozen(_) => "active",
            Event::WalletClosed(_) => "closed",
            _ => return,
        };
        self.stands(state, None);
    }

    /// What it is and where it stands: one line.
    pub(super) fn headline(&self) -> String {
        let (kind, id) = (self.subject.kind(), self.subject.id());
        let space = if self.what.is_empty() { "" } else { " " };
        let name = kind[..1].to_uppercase() + &kind[1..];
        format!("{name} {id}{space}{}: {}.", self.what, self.state)
    }

    /// What goes on next, and when at the latest.
    pub(super) fn waits_for(&self) -> Option<String> {
        let wait = self.wait.as_ref()?;
        let due = self.due.map_or_else(|| "its time".to_owned(), |due| due.to_string());
        let (gateway, key) = self.asked.as_ref().map_or_else(
            || ("the gateway".to_owned(), String::new()),
            |(gateway, key)| (gateway.to_string(), format!(" (key {key})")),
        );
        Some(match wait {
            Wait::Charge => {
                format!("the answer of {gateway} to a charge{key}; without one at {due}: in doubt")
            }
            Wait::Refund => {
                format!("the answer of {gateway} to a refund{key}; without one at {due}: in doubt")
            }
            Wait::Inquiry => {
                format!("the answer of {gateway} to an inquiry{key}; asked again at {due}")
            }
            Wait::Resend => format!("the back-off: the same is sent to {gateway} again at {due}"),
            Wait::NextInquiry => {
                format!("the back-off: {gateway} is asked at {due} what became of it{key}")
            }
            Wait::Review => format!(
                "a person, who finds out at {gateway} what became of it{key} and says so: POST \
                 /api/v1/{}s/{}/resolve; the gateway is asked again at {due}",
                self.subject.kind(),
                self.subject.id()
            ),
            Wait::Receiver => {
                format!("the receiver's shard to answer; it is asked again at {due}")
            }
        })
    }
}
