//! What tests ask of a shard and hear of gateways, in few words.

use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{
    AdoptPolicy, Cancel, Command, CommandBody, Deposit, Envelope, GatewayOperationKind,
    GatewayOutcome, OpenWallet, Operation, OperationBody, Pay, Refund, ResolvePayment,
    ResolveRefund, ResolvedOutcome, ReverseDeposit, ReverseWithdrawal, SetLimits, Transfer,
    WalletChange, Withdraw,
};
use schemas::{
    Amount, Currency, DepositId, IdempotencyKey, OperationId, PaymentId, RefundId, Sealed,
    TenantId, Timestamp, TransferId, WalletId, WalletLabel, WithdrawalId,
};

pub(crate) fn usd() -> Currency {
    "USD".parse().expect("valid")
}

/// Users whose name ends in `-eur` have euros, all others have dollars.
pub(crate) fn currency_of(user: &str) -> Currency {
    if user.ends_with("-eur") { "EUR".parse().expect("valid") } else { usd() }
}

pub(crate) fn wallet_of(user: &str) -> WalletId {
    let (id, currency) = (user.parse().expect("valid"), currency_of(user));
    WalletId::derive(&TenantId::default_tenant(), &id, currency, &WalletLabel::main())
}

pub(crate) fn payment_of(user: &str, key: &str) -> PaymentId {
    let key: IdempotencyKey = key.parse().expect("valid");
    PaymentId::derive(&TenantId::default_tenant(), wallet_of(user), &key)
}

fn envelope(key: &str) -> Envelope {
    Envelope {
        command_id: "command".to_owned(),
        tenant: "default".to_owned(),
        idempotency_key: key.to_owned(),
        correlation_id: "correlation".to_owned(),
        actor: "test".to_owned(),
        deadline: None,
    }
}

pub(crate) fn open_wallet(user: &str) -> Operation {
    Operation {
        envelope: envelope(""),
        body: OperationBody::OpenWallet(OpenWallet {
            wallet_id: wallet_of(user).to_string(),
            user_id: user.to_owned(),
            currency: currency_of(user).code().to_owned(),
            label: "main".to_owned(),
        }),
    }
}

pub(crate) fn deposit(user: &str, amount: i64, key: &str) -> Operation {
    let tenant = TenantId::default_tenant();
    let parsed = key.parse().expect("valid");
    Operation {
        envelope: envelope(key),
        body: OperationBody::Deposit(Deposit {
            deposit_id: DepositId::derive(&tenant, wallet_of(user), &parsed).to_string(),
            wallet_id: wallet_of(user).to_string(),
            amount,
            currency: currency_of(user).code().to_owned(),
            rail: "sepa".to_owned(),
            reference: key.to_owned(),
        }),
    }
}

pub(crate) fn pay(user: &str, amount: i64, key: &str) -> Command {
    Command {
        envelope: envelope(key),
        body: CommandBody::Pay(Pay {
            payment_id: payment_of(user, key).to_string(),
            wallet_id: wallet_of(user).to_string(),
            amount,
            currency: currency_of(user).code().to_owned(),
            gateway: None,
            service_id: None,
            description: None,
            metadata: None,
        }),
    }
}

fn command(key: &str, body: CommandBody) -> Command {
    Command { envelope: envelope(key), body }
}

fn operation(key: &str, body: OperationBody) -> Operation {
    Operation { envelope: envelope(key), body }
}

pub(crate) fn cancel(user: &str, key: &str) -> Command {
    let (payment_id, wallet_id) = (payment_of(user, key).to_string(), wallet_of(user).to_string());
    command("", CommandBody::Cancel(Cancel { payment_id, wallet_id }))
}

pub(crate) fn refund_of(user: &str, payment: &str, key: &str) -> RefundId {
    let key = key.parse().expect("valid");
    RefundId::derive(&TenantId::default_tenant(), payment_of(user, payment), &key)
}

pub(crate) fn refund(user: &str, payment: &str, amount: Option<i64>, key: &str) -> Command {
    let body = Refund {
        refund_id: refund_of(user, payment, key).to_string(),
        payment_id: payment_of(user, payment).to_string(),
        wallet_id: wallet_of(user).to_string(),
        amount,
        reason: None,
    };
    command(key, CommandBody::Refund(body))
}

pub(crate) fn transfer_of(user: &str, key: &str) -> TransferId {
    let key = key.parse().expect("valid");
    TransferId::derive(&TenantId::default_tenant(), wallet_of(user), &key)
}

pub(crate) fn transfer(from: &str, to: &str, amount: i64, key: &str) -> Command {
    let body = Transfer {
        transfer_id: transfer_of(from, key).to_string(),
        wallet_id: wallet_of(from).to_string(),
        to_wallet_id: wallet_of(to).to_string(),
        amount,
        currency: currency_of(from).code().to_owned(),
        description: None,
    };
    command(key, CommandBody::Transfer(body))
}

pub(crate) fn withdraw(user: &str, amount: i64, key: &str) -> Operation {
    let parsed = key.parse().expect("valid");
    let id = WithdrawalId::derive(&TenantId::default_tenant(), wallet_of(user), &parsed);
    let body = Withdraw {
        withdrawal_id: id.to_string(),
        wallet_id: wallet_of(user).to_string(),
        amount,
        currency: currency_of(user).code().to_owned(),
        rail: "sepa".to_owned(),
        reference: key.to_owned(),
    };
    operation(key, OperationBody::Withdraw(body))
}

pub(crate) fn reverse_deposit(user: &str, key: &str) -> Operation {
    let parsed = key.parse().expect("valid");
    let id = DepositId::derive(&TenantId::default_tenant(), wallet_of(user), &parsed);
    let (deposit_id, wallet_id) = (id.to_string(), wallet_of(user).to_string());
    let body = ReverseDeposit { deposit_id, wallet_id, reason: None };
    operation("", OperationBody::ReverseDeposit(body))
}

pub(crate) fn reverse_withdrawal(user: &str, key: &str) -> Operation {
    let parsed = key.parse().expect("valid");
    let id = WithdrawalId::derive(&TenantId::default_tenant(), wallet_of(user), &parsed);
    let (withdrawal_id, wallet_id) = (id.to_string(), wallet_of(user).to_string());
    let body = ReverseWithdrawal { withdrawal_id, wallet_id, reason: None };
    operation("", OperationBody::ReverseWithdrawal(body))
}

pub(crate) fn change(user: &str, body: fn(WalletChange) -> OperationBody) -> Operation {
    let change = WalletChange { wallet_id: wallet_of(user).to_string(), reason: None };
    operation("", body(change))
}

pub(crate) fn adopt(version: i64, configuration: &str) -> Operation {
    let configuration = configuration.to_owned();
    operation("", OperationBody::AdoptPolicy(AdoptPolicy { version, configuration }))
}

pub(crate) fn limit(
    user: &str,
    per_payment: Option<i64>,
    per_day: Option<i64>,
    in_flight: Option<i32>,
) -> Operation {
    let wallet_id = wallet_of(user).to_string();
    let body = SetLimits { wallet_id, per_payment, per_day, in_flight };
    operation("", OperationBody::SetLimits(body))
}

pub(crate) fn resolve(
    user: &str,
    payment: &str,
    outcome: ResolvedOutcome,
    amount: Option<i64>,
) -> Operation {
    let body = ResolvePayment {
        payment_id: payment_of(user, payment).to_string(),
        wallet_id: wallet_of(user).to_string(),
        outcome,
        evidence: Some(Sealed::plaintext("seen in the dashboard")),
        amount,
        gateway_reference: "ch_1".to_owned(),
    };
    operation("", OperationBody::ResolvePayment(body))
}

pub(crate) fn resolve_refund(
    user: &str,
    refund: RefundId,
    outcome: ResolvedOutcome,
    amount: Option<i64>,
) -> Operation {
    let body = ResolveRefund {
        refund_id: refund.to_string(),
        wallet_id: wallet_of(user).to_string(),
        outcome,
        evidence: Some(Sealed::plaintext("seen in the dashboard")),
        amount,
        gateway_reference: "re_1".to_owned(),
    };
    operation("", OperationBody::ResolveRefund(body))
}

/// The refund that the ledger asks for when nobody wants the charge of an attempt.
pub(crate) fn unwanted_of(user: &str, payment: &str, attempt: u32) -> RefundId {
    let (tenant, payment) = (TenantId::default_tenant(), payment_of(user, payment));
    RefundId::of_charge(&tenant, payment, OperationId::attempt(&tenant, payment, attempt))
}

/// What the gateway is asked when such a payment is made, whether it is made or not.
pub(crate) fn charge_of(user: &str, key: &str, amount: i64) -> GatewayOperationRequested {
    let payment_id = payment_of(user, key);
    GatewayOperationRequested {
        payment_id,
        wallet_id: wallet_of(user),
        operation_id: OperationId::attempt(&TenantId::default_tenant(), payment_id, 1),
        operation_seq: 1,
        operation: GatewayOperationKind::Submit,
        gateway: super::GATEWAY.parse().expect("valid"),
        amount: Amount::try_from(amount).expect("valid"),
        currency: currency_of(user),
        not_after: Timestamp::default(),
        conclusive_after: Timestamp::default(),
        correlation_id: String::new(),
        refund: None,
    }
}

pub(crate) fn success(amount: i64) -> GatewayOutcome {
    success_in(usd(), amount)
}

pub(crate) fn success_in(currency: Currency, amount: i64) -> GatewayOutcome {
    let (gateway_reference, currency) = ("ch_1".to_owned(), currency.code().to_owned());
    GatewayOutcome::Succeeded { gateway_reference, amount, currency }
}

pub(crate) fn decline() -> GatewayOutcome {
    GatewayOutcome::Declined { decline_code: "do_not_honor".into(), message: "No.".into() }
}

pub(crate) fn unknown() -> GatewayOutcome {
    GatewayOutcome::OutcomeUnknown { reason: "time-out".to_owned() }
}

pub(crate) fn not_sent() -> GatewayOutcome {
    GatewayOutcome::NotSent { reason: "refused".to_owned() }
}

pub(crate) const NOT_FOUND: GatewayOutcome = GatewayOutcome::NotFound {};

/// The names of an entry's events, for tables.
pub(crate) fn names(entry: &Entry) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::GatewayOperationRequested(event) => match event.operation {
            GatewayOperationKind::Submit => "SubmitRequested",
            GatewayOperationKind::Inquire => "InquiryRequested",
            GatewayOperationKind::Refund => "RefundSubmitRequested",
            GatewayOperationKind::InquireRefund => "RefundInquiryRequested",
            GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => "never asked",
        },
        Event::GatewayOperationAnswered(_) => "Answered",
        other => other.name(),
    };
    entry.events.iter().map(name).collect()
}

/// The code of the failure in an entry; empty when there is none.
pub(crate) fn failure_code(entry: &Entry) -> &str {
    for event in &entry.events {
        if let Event::PaymentFailed(event) = event {
            return &event.code;
        }
        if let Event::RefundFailed(event) = event {
            return &event.code;
        }
        if let Event::TransferFailed(event) = event {
            return &event.code;
        }
    }
    ""
}
