//! Events: the facts that entries state.
//!
//! An event says what happened in the words of the business; how the money moved is in the postings
//! of the same entry. Texts about people stay in the entry's input and are not repeated here.

mod orphan;
mod payment;
mod refund;
mod transfer;
mod wallet;

use serde::{Deserialize, Serialize};

pub use orphan::{OrphanApplied, OrphanRecorded};
pub use payment::{
    AttemptAbandoned, AttemptStarted, CancelRequested, DiscrepancyRecorded,
    GatewayOperationAnswered, GatewayOperationRequested, Hold, PaymentCancelled, PaymentCompleted,
    PaymentFailed, PaymentInDoubt, PaymentRequested, PaymentResolved, PaymentReviewRequested,
    Proof, RefundOf, ResendScheduled,
};
pub use refund::{
    RefundCause, RefundDestination, RefundFailed, RefundInDoubt, RefundRequested,
    RefundResendScheduled, RefundResolved, RefundReviewRequested, RefundSucceeded,
};
pub use transfer::{
    TransferCompleted, TransferCredited, TransferFailed, TransferHeld, TransferLegRequested,
    TransferRefused, TransferRequested,
};
pub use wallet::{
    DepositRecorded, DepositReversed, LimitsSet, PolicyAdopted, SuspenseBooked, SuspenseSubject,
    WalletClosed, WalletFrozen, WalletOpened, WalletUnfrozen, WithdrawalRecorded,
    WithdrawalReversed,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A wallet exists.
    #[serde(rename = "holdfast.WalletOpened")]
    WalletOpened(WalletOpened),
    /// Money arrived on an external rail.
    #[serde(rename = "holdfast.DepositRecorded")]
    DepositRecorded(DepositRecorded),
    /// A payment exists.
    #[serde(rename = "holdfast.PaymentRequested")]
    PaymentRequested(PaymentRequested),
    /// Money is reserved for a payment.
    #[serde(rename = "holdfast.HoldPlaced")]
    HoldPlaced(Hold),
    /// Reserved money went out.
    #[serde(rename = "holdfast.HoldPosted")]
    HoldPosted(Hold),
    /// Reserved money is free again.
    #[serde(rename = "holdfast.HoldVoided")]
    HoldVoided(Hold),
    /// A try at one gateway with one key began.
    #[serde(rename = "holdfast.AttemptStarted")]
    AttemptStarted(AttemptStarted),
    /// The gateway follower is to do something.
    #[serde(rename = "holdfast.GatewayOperationRequested")]
    GatewayOperationRequested(GatewayOperationRequested),
    /// The result of a gateway operation was taken in.
    #[serde(rename = "holdfast.GatewayOperationAnswered")]
    GatewayOperationAnswered(GatewayOperationAnswered),
    /// The same attempt will be sent again later.
    #[serde(rename = "holdfast.ResendScheduled")]
    ResendScheduled(ResendScheduled),
    /// Whether the gateway charged is not known.
    #[serde(rename = "holdfast.PaymentInDoubt")]
    PaymentInDoubt(PaymentInDoubt),
    /// The gateway charged and the money is gone.
    #[serde(rename = "holdfast.PaymentCompleted")]
    PaymentCompleted(PaymentCompleted),
    /// The payment failed for good; nothing is held for it.
    #[serde(rename = "holdfast.PaymentFailed")]
    PaymentFailed(PaymentFailed),
    /// What a gateway said does not fit what the ledger knows; a person should look.
    #[serde(rename = "holdfast.DiscrepancyRecorded")]
    DiscrepancyRecorded(DiscrepancyRecorded),
    /// New debits of a wallet are refused.
    #[serde(rename = "holdfast.WalletFrozen")]
    WalletFrozen(WalletFrozen),
    /// New debits of a wallet are allowed again.
    #[serde(rename = "holdfast.WalletUnfrozen")]
    WalletUnfrozen(WalletUnfrozen),
    /// A wallet, empty, has ended for good.
    #[serde(rename = "holdfast.WalletClosed")]
    WalletClosed(WalletClosed),
    /// What payments may take from a wallet is bounded.
    #[serde(rename = "holdfast.LimitsSet")]
    LimitsSet(LimitsSet),
    /// Money left by an external rail.
    #[serde(rename = "holdfast.WithdrawalRecorded")]
    WithdrawalRecorded(WithdrawalRecorded),
    /// The rail took a deposit back.
    #[serde(rename = "holdfast.DepositReversed")]
    DepositReversed(DepositReversed),
    /// The rail gave a withdrawal back.
    #[serde(rename = "holdfast.WithdrawalReversed")]
    WithdrawalReversed(WithdrawalReversed),
    /// Money went to the suspense account, or came from it.
    #[serde(rename = "holdfast.SuspenseBooked")]
    SuspenseBooked(SuspenseBooked),
    /// An attempt ended without a charge; another gateway is tried.
    #[serde(rename = "holdfast.AttemptAbandoned")]
    AttemptAbandoned(AttemptAbandoned),
    /// A person must say how a payment ended.
    #[serde(rename = "holdfast.PaymentReviewRequested")]
    PaymentReviewRequested(PaymentReviewRequested),
    /// A person said how a payment ended.
    #[serde(rename = "holdfast.PaymentResolved")]
    PaymentResolved(PaymentResolved),
    /// The caller wants a payment to end.
    #[serde(rename = "holdfast.CancelRequested")]
    CancelRequested(CancelRequested),
    /// A payment ended as its caller wished.
    #[serde(rename = "holdfast.PaymentCancelled")]
    PaymentCancelled(PaymentCancelled),
    /// A charge is to be given back, or a part of it.
    #[serde(rename = "holdfast.RefundRequested")]
    RefundRequested(Box<RefundRequested>),
    /// The same refund will be sent again later.
    #[serde(rename = "holdfast.RefundResendScheduled")]
    RefundResendScheduled(RefundResendScheduled),
    /// Whether the gateway gave back is not known.
    #[serde(rename = "holdfast.RefundInDoubt")]
    RefundInDoubt(RefundInDoubt),
    /// A person must say how a refund ended.
    #[serde(rename = "holdfast.RefundReviewRequested")]
    RefundReviewRequested(RefundReviewRequested),
    /// A person said how a refund ended.
    #[serde(rename = "holdfast.RefundResolved")]
    RefundResolved(RefundResolved),
    /// The gateway gave the money back.
    #[serde(rename = "holdfast.RefundSucceeded")]
    RefundSucceeded(RefundSucceeded),
    /// A refund failed for good.
    #[serde(rename = "holdfast.RefundFailed")]
    RefundFailed(RefundFailed),
    /// A transfer exists.
    #[serde(rename = "holdfast.TransferRequested")]
    TransferRequested(TransferRequested),
    /// The sender's money is reserved.
    #[serde(rename = "holdfast.TransferHeld")]
    TransferHeld(TransferHeld),
    /// The transfer follower is to bring a leg to a shard.
    #[serde(rename = "holdfast.TransferLegRequested")]
    TransferLegRequested(TransferLegRequested),
    /// The receiver has the money.
    #[serde(rename = "holdfast.TransferCredited")]
    TransferCredited(TransferCredited),
    /// The receiver cannot have the money.
    #[serde(rename = "holdfast.TransferRefused")]
    TransferRefused(TransferRefused),
    /// The sender's money is gone.
    #[serde(rename = "holdfast.TransferCompleted")]
    TransferCompleted(TransferCompleted),
    /// A transfer failed for good.
    #[serde(rename = "holdfast.TransferFailed")]
    TransferFailed(TransferFailed),
    /// A shard decides by another configuration from now on.
    #[serde(rename = "holdfast.PolicyAdopted")]
    PolicyAdopted(PolicyAdopted),
    /// A gateway said what became of something that the shard does not know.
    #[serde(rename = "holdfast.OrphanRecorded")]
    OrphanRecorded(OrphanRecorded),
    /// It turned up, and what had been said of it counts.
    #[serde(rename = "holdfast.OrphanApplied")]
    OrphanApplied(OrphanApplied),
}

impl Event {
    /// The name of the event as the journal has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WalletOpened(_) => "WalletOpened",
            Self::DepositRecorded(_) => "DepositRecorded",
            Self::PaymentRequested(_) => "PaymentRequested",
            Self::HoldPlaced(_) => "HoldPlaced",
            Self::HoldPosted(_) => "HoldPosted",
            Self::HoldVoided(_) => "HoldVoided",
            Self::AttemptStarted(_) => "AttemptStarted",
            Self::GatewayOperationRequested(_) => "GatewayOperationRequested",
            Self::GatewayOperationAnswered(_) => "GatewayOperationAnswered",
            Self::ResendScheduled(_) => "ResendScheduled",
            Self::PaymentInDoubt(_) => "PaymentInDoubt",
            Self::PaymentCompleted(_) => "PaymentCompleted",
            Self::PaymentFailed(_) => "PaymentFailed",
            Self::DiscrepancyRecorded(_) => "DiscrepancyRecorded",
            Self::WalletFrozen(_) => "WalletFrozen",
            Self::WalletUnfrozen(_) => "WalletUnfrozen",
            Self::WalletClosed(_) => "WalletClosed",
            Self::LimitsSet(_) => "LimitsSet",
            Self::WithdrawalRecorded(_) => "WithdrawalRecorded",
            Self::DepositReversed(_) => "DepositReversed",
            Self::WithdrawalReversed(_) => "WithdrawalReversed",
            Self::SuspenseBooked(_) => "SuspenseBooked",
            Self::AttemptAbandoned(_) => "AttemptAbandoned",
            Self::PaymentReviewRequested(_) => "PaymentReviewRequested",
            Self::PaymentResolved(_) => "PaymentResolved",
            Self::CancelRequested(_) => "CancelRequested",
            Self::PaymentCancelled(_) => "PaymentCancelled",
            Self::RefundRequested(_) => "RefundRequested",
            Self::RefundResendScheduled(_) => "RefundResendScheduled",
            Self::RefundInDoubt(_) => "RefundInDoubt",
            Self::RefundReviewRequested(_) => "RefundReviewRequested",
            Self::RefundResolved(_) => "RefundResolved",
            Self::RefundSucceeded(_) => "RefundSucceeded",
            Self::RefundFailed(_) => "RefundFailed",
            Self::TransferRequested(_) => "TransferRequested",
            Self::TransferHeld(_) => "TransferHeld",
            Self::TransferLegRequested(_) => "TransferLegRequested",
            Self::TransferCredited(_) => "TransferCredited",
            Self::TransferRefused(_) => "TransferRefused",
            Self::TransferCompleted(_) => "TransferCompleted",
            Self::TransferFailed(_) => "TransferFailed",
            Self::PolicyAdopted(_) => "PolicyAdopted",
            Self::OrphanRecorded(_) => "OrphanRecorded",
            Self::OrphanApplied(_) => "OrphanApplied",
        }
    }
}
