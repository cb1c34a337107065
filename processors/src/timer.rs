//! The names of timers: `<kind>:<id>:<wallet id>`. The wallet makes the key of the entry. Each
//! payment, refund and transfer has one timer; what it means follows from where it stands.

use schemas::{PaymentId, RefundId, TransferId, WalletId, id_buffer};

/// What a timer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerSubject {
    /// A payment.
    Payment(PaymentId),
    /// A refund.
    Refund(RefundId),
    /// A transfer, at its sender.
    Transfer(TransferId),
}

const PAYMENT: &str = "payment";
const REFUND: &str = "refund";
const TRANSFER: &str = "transfer";

impl TimerSubject {
    /// The name of its timer.
    pub fn timer_id(self, wallet: WalletId) -> String {
        let [mut id, mut owner] = [id_buffer(); 2];
        let (kind, id) = match self {
            Self::Payment(payment) => (PAYMENT, payment.encode(&mut id)),
            Self::Refund(refund) => (REFUND, refund.encode(&mut id)),
            Self::Transfer(transfer) => (TRANSFER, transfer.encode(&mut id)),
        };
        [kind, id, wallet.encode(&mut owner)].join(":")
    }

    /// What a timer with this name is about, and in which wallet; none when it is none of ours.
    pub fn of(timer_id: &str) -> Option<(Self, WalletId)> {
        let (kind, rest) = timer_id.split_once(':')?;
        let (id, wallet) = rest.split_once(':')?;
        let subject = match kind {
            PAYMENT => Self::Payment(id.parse().ok()?),
            REFUND => Self::Refund(id.parse().ok()?),
            TRANSFER => Self::Transfer(id.parse().ok()?),
            _ => return None,
        };
        Some((subject, wallet.parse().ok()?))
    }
}
