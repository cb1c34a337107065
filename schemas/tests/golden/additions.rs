//! What version 2 adds to the records: every new branch, field and symbol.

mod sagas;

use schemas::account::{Account, Layer, Posting, Side};
use schemas::dead_letter::DeadLetter;
use schemas::entry::{Decision, Entry, InputBody, Source};
use schemas::event::{
    AttemptAbandoned, CancelRequested, DepositReversed, DiscrepancyRecorded, Event, LimitsSet,
    PaymentCancelled, PaymentInDoubt, PaymentRequested, PaymentResolved, PaymentReviewRequested,
    PolicyAdopted, SuspenseBooked, SuspenseSubject, WalletClosed, WalletFrozen, WalletUnfrozen,
    WithdrawalRecorded, WithdrawalReversed,
};
use schemas::inputs::{
    AdoptPolicy, Cancel, Command, CommandBody, GatewayOperationKind, GatewayOutcome, GatewayResult,
    LegBody, Operation, OperationBody, Refund, ResolvePayment, ResolveRefund, ResolvedOutcome,
    ReverseDeposit, ReverseWithdrawal, SetLimits, Transfer, TransferLeg, WalletChange, Withdraw,
};
use schemas::{Amount, ByteString, Fingerprint, RefundId, Sealed, TransferId, WithdrawalId};

use super::{at, attempt, deposit, envelope, key, money, payment, result, tenant, usd, wallet};

fn refund() -> RefundId {
    RefundId::derive(&tenant(), payment(), &key())
}

fn transfer() -> TransferId {
    TransferId::derive(&tenant(), wallet(), &key())
}

fn withdrawal() -> WithdrawalId {
    WithdrawalId::derive(&tenant(), wallet(), &key())
}

fn text() -> String {
    "text".to_owned()
}

fn sealed() -> Sealed {
    Sealed::plaintext("why")
}

fn amount() -> Amount {
    money().amount()
}

pub fn commands() -> Vec<Command> {
    let bodies = vec![
        CommandBody::Cancel(Cancel {
            payment_id: payment().to_string(),
            wallet_id: wallet().to_string(),
        }),
        CommandBody::Refund(Refund {
            refund_id: refund().to_string(),
            payment_id: payment().to_string(),
            wallet_id: wallet().to_string(),
            amount: Some(500),
            reason: Some(sealed()),
        }),
        CommandBody::Transfer(Transfer {
            transfer_id: transfer().to_string(),
            wallet_id: wallet().to_string(),
            to_wallet_id: wallet().to_string(),
            amount: 10_000,
            currency: "USD".to_owned(),
            description: Some(sealed()),
        }),
    ];
    bodies.into_iter().map(|body| Command { envelope: envelope(), body }).collect()
}

pub fn operations() -> Vec<Operation> {
    let change = || WalletChange { wallet_id: wallet().to_string(), reason: Some(sealed()) };
    let wallet_id = || wallet().to_string();
    let bodies = vec![
        OperationBody::Withdraw(Withdraw {
            withdrawal_id: withdrawal().to_string(),
            wallet_id: wallet_id(),
            amount: 10_000,
            currency: "USD".to_owned(),
            rail: "sepa".to_owned(),
            reference: "E2E-2".to_owned(),
        }),
        OperationBody::ReverseDeposit(ReverseDeposit {
            deposit_id: deposit().to_string(),
            wallet_id: wallet_id(),
            reason: Some(sealed()),
        }),
        OperationBody::ReverseWithdrawal(ReverseWithdrawal {
            withdrawal_id: withdrawal().to_string(),
            wallet_id: wallet_id(),
            reason: None,
        }),
        OperationBody::FreezeWallet(change()),
        OperationBody::UnfreezeWallet(change()),
        OperationBody::CloseWallet(change()),
        OperationBody::SetLimits(SetLimits {
            wallet_id: wallet_id(),
            per_payment: Some(1),
            per_day: Some(2),
            in_flight: Some(3),
        }),
        OperationBody::ResolvePayment(ResolvePayment {
            payment_id: payment().to_string(),
            wallet_id: wallet_id(),
            outcome: ResolvedOutcome::Succeeded,
            evidence: Some(sealed()),
            amount: Some(9_000),
            gateway_reference: "ch_1".to_owned(),
        }),
        OperationBody::ResolveRefund(ResolveRefund {
            refund_id: refund().to_string(),
            wallet_id: wallet_id(),
            outcome: ResolvedOutcome::Failed,
            evidence: Some(sealed()),
            amount: None,
            gateway_reference: String::new(),
        }),
        OperationBody::AdoptPolicy(AdoptPolicy { version: 7, configuration: "{}".to_owned() }),
    ];
    bodies.into_iter().map(|body| Operation { envelope: envelope(), body }).collect()
}

pub fn results() -> Vec<GatewayResult> {
    let kinds = [
        GatewayOperationKind::Refund,
        GatewayOperationKind::InquireRefund,
        GatewayOperationKind::Notify,
        GatewayOperationKind::NotifyRefund,
    ];
    let of = |operation| GatewayResult {
        operation,
        operation_seq: 0,
        notification_id: "evt_1".to_owned(),
        ..result(GatewayOutcome::NotFound {}, None)
    };
    kinds.map(of).into()
}

fn leg(body: LegBody) -> TransferLeg {
    TransferLeg {
        wallet_id: wallet(),
        transfer_id: transfer(),
        tenant: tenant(),
        from_wallet_id: wallet(),
        to_wallet_id: wallet(),
        amount: amount(),
        currency: usd(),
        body,
        correlation_id: "corr-1".to_owned(),
    }
}

pub fn legs() -> Vec<TransferLeg> {
    let refused = LegBody::CreditRefused { code: text(), message: text() };
    [LegBody::CreditAsked {}, LegBody::CreditDone {}, refused].map(leg).into()
}

pub fn dead_letters() -> Vec<DeadLetter> {
    vec![DeadLetter {
        position: "1-42".to_owned(),
        at: at(5),
        topic: "commands".to_owned(),
        partition: 1,
        offset: 7,
        code: "unreadable".to_owned(),
        reason: text(),
        schema_id: schemas::SchemaId(0),
        raw_hash: ByteString(vec![7; 32]),
        length: 3,
        original: ByteString(vec![0, 1, 255]),
    }]
}

pub fn entries() -> Vec<Entry> {
    let source = || Source::Input { topic: "transfers".to_owned(), partition: 1, offset: 99 };
    let mut bodies: Vec<InputBody> = commands().into_iter().map(InputBody::Command).collect();
    bodies.extend(operations().into_iter().map(InputBody::Operation));
    bodies.extend(results().into_iter().map(InputBody::GatewayResult));
    bodies.extend(legs().into_iter().map(InputBody::TransferLeg));
    let postings = [Account::Suspense, Account::TransfersClearing].map(|account| Posting {
        account,
        currency: usd(),
        layer: Layer::Posted,
        side: Side::Credit,
        amount: 1,
    });
    let of = |body| Entry {
        min_reader: 2,
        events: events(),
        postings: postings.to_vec(),
        ..super::entry(source(), body, Decision::accepted())
    };
    bodies.into_iter().map(of).collect()
}

pub fn events() -> Vec<Event> {
    let mut events = rails_and_wallets();
    events.extend(of_payments());
    events.extend(sagas::of_refunds());
    events.extend(sagas::of_transfers());
    events.extend(sagas::of_orphans());
    events
}

fn rails_and_wallets() -> Vec<Event> {
    let (wallet_id, currency, amount) = (wallet(), usd(), amount());
    let rail = || "sepa".parse().expect("valid");
    let (withdrawal_id, deposit_id) = (withdrawal(), deposit());
    let fingerprint = Fingerprint::of_withdrawal(wallet_id, money(), &rail(), "E2E-2");
    let subjects = [
        SuspenseSubject::Charge { payment_id: payment(), operation_id: attempt() },
        SuspenseSubject::Refund { payment_id: payment(), refund_id: refund() },
        SuspenseSubject::Deposit { deposit_id },
        SuspenseSubject::Withdrawal { withdrawal_id },
    ];
    let booked = |subject| {
        Event::SuspenseBooked(SuspenseBooked {
            wallet_id,
            subject,
            against: Account::External(rail()),
            side: Side::Debit,
            amount,
            currency,
            code: text(),
            detail: text(),
        })
    };
    let (per_payment, per_day, in_flight) = (Some(1), Some(2), Some(3));
    let mut events = vec![
        Event::WalletFrozen(WalletFrozen { wallet_id }),
        Event::WalletUnfrozen(WalletUnfrozen { wallet_id }),
        Event::WalletClosed(WalletClosed { wallet_id }),
        Event::LimitsSet(LimitsSet { wallet_id, per_payment, per_day, in_flight }),
        Event::WithdrawalRecorded(WithdrawalRecorded {
            withdrawal_id,
            wallet_id,
            amount,
            currency,
            rail: rail(),
            reference: text(),
            fingerprint,
        }),
        Event::DepositReversed(DepositReversed {
            deposit_id,
            wallet_id,
            amount,
            currency,
            rail: rail(),
        }),
        Event::WithdrawalReversed(WithdrawalReversed {
            withdrawal_id,
            wallet_id,
            amount,
            currency,
            rail: rail(),
        }),
        Event::PolicyAdopted(PolicyAdopted { version: 7, configuration: "{}".to_owned() }),
    ];
    events.extend(subjects.map(booked));
    events
}

fn of_payments() -> Vec<Event> {
    let (payment_id, operation_id) = (payment(), attempt());
    vec![
        Event::PaymentRequested(PaymentRequested {
            payment_id,
            wallet_id: wallet(),
            user_id: "user-1".parse().expect("valid"),
            amount: amount(),
            currency: usd(),
            fingerprint: Fingerprint::of_unwanted_charge(operation_id),
            deadline: at(600_000),
            correlation_id: text(),
            gateway: Some("simulator".parse().expect("valid")),
        }),
        Event::PaymentInDoubt(PaymentInDoubt {
            payment_id,
            operation_id,
            reason: text(),
            review_at: Some(at(3_600_000)),
        }),
        Event::DiscrepancyRecorded(DiscrepancyRecorded {
            payment_id,
            operation_id,
            code: text(),
            detail: text(),
            refund_id: Some(refund()),
        }),
        Event::AttemptAbandoned(AttemptAbandoned { payment_id, operation_id, reason: text() }),
        Event::PaymentReviewRequested(PaymentReviewRequested {
            payment_id,
            operation_id,
            reason: text(),
        }),
        Event::PaymentResolved(PaymentResolved {
            payment_id,
            operation_id,
            outcome: ResolvedOutcome::Succeeded,
            amount: 9_000,
            gateway_reference: text(),
            actor: text(),
        }),
        Event::CancelRequested(CancelRequested { payment_id }),
        Event::PaymentCancelled(PaymentCancelled { payment_id }),
    ]
}
