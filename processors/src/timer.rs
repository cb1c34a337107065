//! The names of timers: `<kind>:<id>:<wallet id>`. The wallet makes the key of the entry. Each
//! payment, refund and transfer has one timer; what it means follows from where it stands.

use schemas::{PaymentId, RefundId, TransferId, WalletId};

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
        match self {
            Self::Payment(id) => format!("{PAYMENT}:{id}:{wallet}"),
            Self::Refund(id) => format!("{REFUND}:{id}:{wallet}"),
            Self::Transfer(id) => format!("{TRANSFER}:{id}:{wallet}"),
        }
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
