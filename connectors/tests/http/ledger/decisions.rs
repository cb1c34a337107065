//! What the scripted ledger decides.

use connectors::ports::Request;
use schemas::account::{Balances, Side};
use schemas::entry::Decision;
use schemas::event::{RefundCause, RefundDestination};
use schemas::inputs::{
    CommandBody, Deposit, OpenWallet, OperationBody, Pay, Refund, ResolvedOutcome, Transfer,
    Withdraw,
};
use schemas::read_model::{
    DepositRow, PaymentFailure, PaymentRow, PaymentStatus, RefundRow, RefundStatus, StatementKind,
    StatementLine, TransferRow, TransferStatus, WalletLimits, WalletMovement, WalletRow,
    WalletStatus, WithdrawalRow,
};
use schemas::{
    Amount, DepositId, ErrorCode, Fingerprint, Money, Offset, Partition, PaymentId, Position,
    RefundId, TransferId, WalletId, WithdrawalId,
};

use super::{Reply, State, now};

fn failure(code: ErrorCode, decline_code: Option<&str>) -> PaymentFailure {
    PaymentFailure {
        code: code.code().to_owned(),
        decline_code: decline_code.map(str::to_owned),
        message: "as scripted".to_owned(),
    }
}

impl State {
    pub fn next(&mut self, partition: Partition) -> Position {
        self.entries += 1;
        let position = Position { partition, offset: Offset::new(self.entries).unwrap() };
        self.applied.insert(partition, position);
        position
    }

    /// What is asked exists afterwards, as the reply says.
    pub fn decide(&mut self, request: &Request, at: Position, reply: &Reply) -> Decision {
        if let Reply::Refuse(code) = reply {
            return Decision::refused(code.code(), code.meaning());
        }
        match request {
            Request::Command(command) => {
                let correlation = &command.envelope.correlation_id;
                match &command.body {
                    CommandBody::Pay(pay) => self.pay(pay, correlation, at, reply),
                    CommandBody::Cancel(cancel) => self.cancel(&cancel.payment_id, at, reply),
                    CommandBody::Refund(refund) => self.refund(refund, correlation, at, reply),
                    CommandBody::Transfer(transfer) => {
                        self.transfer(transfer, correlation, at, reply)
                    }
                }
            }
            Request::Operation(operation) => self.operate(&operation.body, at),
        }
    }

    fn operate(&mut self, body: &OperationBody, at: Position) -> Decision {
        match body {
            OperationBody::OpenWallet(open) => self.open(open, at),
            OperationBody::Deposit(deposit) => self.deposit(deposit, at),
            OperationBody::Withdraw(withdraw) => self.withdraw(withdraw, at),
            OperationBody::ReverseDeposit(reversal) => {
                let id = reversal.deposit_id.parse().unwrap();
                let reversed_at = Some(now(self.entries));
                let row = self.deposits.get_mut(&id).unwrap();
                (row.reversed_at, row.position) = (reversed_at, at);
                Decision::accepted()
            }
            OperationBody::ReverseWithdrawal(reversal) => {
                let id = reversal.withdrawal_id.parse().unwrap();
                let reversed_at = Some(now(self.entries));
                let row = self.withdrawals.get_mut(&id).unwrap();
                (row.reversed_at, row.position) = (reversed_at, at);
                Decision::accepted()
            }
            OperationBody::FreezeWallet(change) => {
                self.change(&change.wallet_id, at, |row| row.status = WalletStatus::Frozen)
            }
            OperationBody::UnfreezeWallet(change) => {
                self.change(&change.wallet_id, at, |row| row.status = WalletStatus::Active)
            }
            OperationBody::CloseWallet(change) => {
                self.change(&change.wallet_id, at, |row| row.status = WalletStatus::Closed)
            }
            OperationBody::SetLimits(limits) => self.change(&limits.wallet_id, at, |row| {
                row.limits = WalletLimits {
                    per_payment: limits.per_payment,
                    per_day: limits.per_day,
                    in_flight: limits.in_flight,
                };
            }),
            OperationBody::ResolvePayment(resolution) => {
                let id = resolution.payment_id.parse().unwrap();
                let row = self.payments.get_mut(&id).unwrap();
                row.position = at;
                row.status = match resolution.outcome {
                    ResolvedOutcome::Succeeded => PaymentStatus::Completed,
                    ResolvedOutcome::Failed => PaymentStatus::Failed,
                };
                row.captured_amount = resolution.amount.unwrap_or_default();
                Decision::accepted()
            }
            OperationBody::ResolveRefund(resolution) => {
                let id = resolution.refund_id.parse().unwrap();
                let row = self.refunds.get_mut(&id).unwrap();
                row.position = at;
                row.status = match resolution.outcome {
                    ResolvedOutcome::Succeeded => RefundStatus::Succeeded,
                    ResolvedOutcome::Failed => RefundStatus::Failed,
                };
                Decision::accepted()
            }
            OperationBody::AdoptPolicy(policy) => panic!("the API does not send {policy:?}"),
        }
    }

    /// A change of a wallet; what is so already is a replay.
    fn change(
        &mut self,
        id: &str,
        position: Position,
        change: impl FnOnce(&mut WalletRow),
    ) -> Decision {
        let updated_at = now(self.entries);
        let row = self.wallets.get_mut(&id.parse().unwrap()).unwrap();
        let before = row.clone();
        change(row);
        if *row == before {
            return Decision::replayed();
        }
        (row.updated_at, row.position) = (updated_at, position);
        Decision::accepted()
    }

    /// Without a script, nothing was sent: the payment is cancelled at once.
    fn cancel(&mut self, id: &str, at: Position, reply: &Reply) -> Decision {
        let row = self.payments.get_mut(&id.parse().unwrap()).unwrap();
        if row.cancel_requested {
            return Decision::replayed();
        }
        row.cancel_requested = true;
        row.position = at;
        row.status = match reply {
            Reply::Pay(PaymentStatus::InDoubt) => PaymentStatus::InDoubt,
            _ => PaymentStatus::Cancelled,
        };
        Decision::accepted()
    }

    fn refund(
        &mut self,
        refund: &Refund,
        correlation: &str,
        at: Position,
        reply: &Reply,
    ) -> Decision {
        let id: RefundId = refund.refund_id.parse().unwrap();
        if self.refunds.contains_key(&id) {
            return Decision::replayed();
        }
        let payment = &self.payments[&refund.payment_id.parse().unwrap()];
        let amount = refund.amount.map(|minor| Amount::try_from(minor).unwrap());
        let reason = refund.reason.clone();
        let (status, failure) = match reply {
            Reply::Refund(status) => (*status, None),
            Reply::Fail(code, decline) => (RefundStatus::Failed, Some(failure(*code, *decline))),
            _ => (RefundStatus::Processing, None),
        };
        let money = Money::new(amount.unwrap_or(payment.money.amount()), payment.money.currency());
        let row = RefundRow {
            id,
            payment_id: payment.id,
            wallet_id: payment.wallet_id,
            money,
            cause: RefundCause::Asked,
            destination: RefundDestination::Wallet,
            fingerprint: Fingerprint::of_refund(payment.id, amount, reason.as_ref()),
            reason,
            status,
            failure,
            gateway: "simulator".parse().unwrap(),
            gateway_reference: None,
            refunded_amount: 0,
            discrepancies: Vec::new(),
            balance_after: None,
            correlation_id: correlation.to_owned(),
            created_at: now(self.entries),
            updated_at: now(self.entries),
            position: at,
        };
        self.refunds.insert(id, row);
        Decision::accepted()
    }

    fn transfer(
        &mut self,
        transfer: &Transfer,
        correlation: &str,
        at: Position,
        reply: &Reply,
    ) -> Decision {
        let id: TransferId = transfer.transfer_id.parse().unwrap();
        if self.transfers.contains_key(&id) {
            return Decision::replayed();
        }
        let (from, to) = (transfer.wallet_id.parse().unwrap(), transfer.to_wallet_id.parse());
        let (to, description) = (to.unwrap(), transfer.description.clone());
        let amount = Amount::try_from(transfer.amount).unwrap();
        let money = Money::new(amount, transfer.currency.parse().unwrap());
        let (status, failure) = match reply {
            Reply::Transfer(status) => (*status, None),
            Reply::Fail(code, _) => (TransferStatus::Failed, Some(failure(*code, None))),
            _ => (TransferStatus::Held, None),
        };
        let row = TransferRow {
            id,
            from_wallet_id: from,
            to_wallet_id: to,
            user_id: self.wallets[&from].user_id.clone(),
            money,
            fingerprint: Fingerprint::of_transfer(from, to, money, description.as_ref()),
            description,
            status,
            failure,
            legs_sent: 1,
            balance_after: None,
            correlation_id: correlation.to_owned(),
            created_at: now(self.entries),
            updated_at: now(self.entries),
            position: at,
        };
        self.transfers.insert(id, row);
        Decision::accepted()
    }

    fn withdraw(&mut self, withdraw: &Withdraw, position: Position) -> Decision {
        let id: WithdrawalId = withdraw.withdrawal_id.parse().unwrap();
        if self.withdrawals.contains_key(&id) {
            return Decision::replayed();
        }
        let wallet_id: WalletId = withdraw.wallet_id.parse().unwrap();
        let wallet = self.wallets.get_mut(&wallet_id).unwrap();
        wallet.balances.debits_posted += withdraw.amount;
        let amount = Amount::try_from(withdraw.amount).unwrap();
        let (money, rail) = (Money::new(amount, wallet.currency), withdraw.rail.parse().unwrap());
        let reference = withdraw.reference.clone();
        let row = WithdrawalRow {
            id,
            wallet_id,
            money,
            fingerprint: Fingerprint::of_withdrawal(wallet_id, money, &rail, &reference),
            rail,
            reference,
            balance_after: wallet.balances.posted(),
            reversed_at: None,
            correlation_id: String::new(),
            created_at: now(self.entries),
            position,
        };
        self.withdrawals.insert(id, row);
        Decision::accepted()
    }

    fn pay(&mut self, pay: &Pay, correlation: &str, at: Position, reply: &Reply) -> Decision {
        let id: PaymentId = pay.payment_id.parse().unwrap();
        if self.payments.contains_key(&id) {
            return Decision::replayed();
        }
        let (status, failure) = match reply {
            Reply::Pay(status) => (*status, None),
            Reply::Fail(code, decline) => (PaymentStatus::Failed, Some(failure(*code, *decline))),
            other => unreachable!("{other:?}"),
        };
        let wallet_id: WalletId = pay.wallet_id.parse().unwrap();
        let Some(wallet) = self.wallets.get(&wallet_id) else {
            let code = ErrorCode::WalletNotFound;
            return Decision::refused(code.code(), code.meaning());
        };
        let amount = Amount::try_from(pay.amount).unwrap();
        let money = Money::new(amount, pay.currency.parse().unwrap());
        let gateway = pay.gateway.as_ref().map(|name| name.parse().unwrap());
        let (service, description) = (pay.service_id.as_deref(), pay.description.as_ref());
        let metadata = pay.metadata.as_ref();
        let fingerprint = Fingerprint::of_payment(
            wallet_id,
            money,
            gateway.as_ref(),
            service,
            description,
            metadata,
        );
        let row = PaymentRow {
            id,
            wallet_id,
            user_id: wallet.user_id.clone(),
            money,
            description: description.cloned(),
            service_id: pay.service_id.clone(),
            metadata: metadata.cloned(),
            status,
            failure,
            gateway: Some("simulator".parse().unwrap()),
            gateway_reference: None,
            attempts: 1,
            captured_amount: 0,
            refunded_amount: 0,
            cancel_requested: false,
            discrepancies: Vec::new(),
            balance_after: None,
            correlation_id: correlation.to_owned(),
            fingerprint,
            created_at: now(self.entries),
            updated_at: now(self.entries),
            position: at,
        };
        self.payments.insert(id, row);
        Decision::accepted()
    }

    fn open(&mut self, open: &OpenWallet, position: Position) -> Decision {
        let id: WalletId = open.wallet_id.parse().unwrap();
        if self.wallets.contains_key(&id) {
            return Decision::replayed();
        }
        let row = WalletRow {
            id,
            user_id: open.user_id.parse().unwrap(),
            currency: open.currency.parse().unwrap(),
            label: open.label.parse().unwrap(),
            status: WalletStatus::Active,
            limits: WalletLimits::default(),
            balances: Balances::default(),
            version: 0,
            created_at: now(self.entries),
            updated_at: now(self.entries),
            position,
        };
        self.movements.push(WalletMovement {
            wallet_id: id,
            position,
            at: now(self.entries),
            balances: Balances::default(),
            line: None,
        });
        self.wallets.insert(id, row);
        Decision::accepted()
    }

    fn deposit(&mut self, deposit: &Deposit, position: Position) -> Decision {
        let id: DepositId = deposit.deposit_id.parse().unwrap();
        if self.deposits.contains_key(&id) {
            return Decision::replayed();
        }
        let at = now(self.entries);
        let wallet_id: WalletId = deposit.wallet_id.parse().unwrap();
        let wallet = self.wallets.get_mut(&wallet_id).unwrap();
        wallet.balances.credits_posted += deposit.amount;
        wallet.version += 1;
        let balances = wallet.balances;
        let (currency, amount) = (wallet.currency, Amount::try_from(deposit.amount).unwrap());
        let (money, rail) = (Money::new(amount, currency), deposit.rail.parse().unwrap());
        let reference = deposit.reference.clone();
        let fingerprint = Fingerprint::of_deposit(wallet_id, money, &rail, &reference);
        let line = Some(StatementLine {
            kind: StatementKind::Deposit(id),
            side: Side::Credit,
            amount,
            currency,
            description: None,
            correlation_id: String::new(),
        });
        self.movements.push(WalletMovement { wallet_id, position, at, balances, line });
        let row = DepositRow {
            id,
            wallet_id,
            money,
            rail,
            reference,
            balance_after: balances.posted(),
            reversed_at: None,
            fingerprint,
            correlation_id: String::new(),
            created_at: at,
            position,
        };
        self.deposits.insert(id, row);
        Decision::accepted()
    }
}
