//! What gateways and other shards say, and what it does to the model.

use schemas::inputs::GatewayOutcome::{
    Declined, ExpiredUnsent, NotFound, NotSent, OutcomeUnknown, Succeeded,
};
use schemas::inputs::{GatewayResult, LegBody, TransferLeg};
use schemas::{Currency, Partition, PaymentId, RefundId, TenantId};

use super::{Ends, Model, Refund};

impl Model {
    pub(super) fn result(&mut self, result: &GatewayResult, shard: Partition) {
        let (key, seq) = (result.operation_id, result.operation_seq);
        let Some(tries) = self.tries.get(&key) else { return self.kept(result, shard) };
        if tries.gateway != result.gateway {
            return;
        }
        if seq == 0 || self.answered.insert((key, seq)) {
            self.heard(result);
        }
    }

    /// What tells of money is kept until its key turns up; a charge outweighs a decline.
    fn kept(&mut self, result: &GatewayResult, shard: Partition) {
        let is_charge = |one: &GatewayResult| matches!(one.outcome, Succeeded { .. });
        let known = self.orphans.get(&result.operation_id);
        let is_outweighed = known.is_some_and(|(_, known)| is_charge(known));
        let is_final = is_charge(result) || matches!(result.outcome, Declined { .. });
        if is_final && !is_outweighed {
            self.orphans.insert(result.operation_id, (shard, result.clone()));
        }
    }

    pub(super) fn heard(&mut self, result: &GatewayResult) {
        let (key, seq) = (result.operation_id, result.operation_seq);
        let tries = self.tries.get_mut(&key).expect("was asked");
        match &result.outcome {
            NotSent { .. } | ExpiredUnsent {} if seq > 0 => {
                tries.maybe.remove(&seq);
            }
            NotFound {} => {
                if tries.inquired.get(&seq).is_some_and(|at| *at > tries.conclusive) {
                    tries.maybe.clear();
                }
            }
            Succeeded { amount, currency, .. } => {
                self.succeeded(result, *amount, currency.parse().expect("a currency"));
            }
            Declined { .. } => self.declined(result),
            NotSent { .. } | ExpiredUnsent {} | OutcomeUnknown { .. } => {}
        }
    }

    fn succeeded(&mut self, result: &GatewayResult, amount: i64, currency: Currency) {
        if result.operation.is_of_refund() {
            self.given_back(RefundId::of_operation(result.operation_id), amount, currency);
            return;
        }
        let (id, key) = (result.payment_id, result.operation_id);
        let payment = self.payments.get_mut(&id).expect("asked for");
        let is_current = payment.attempt == Some(key);
        match payment.ends {
            Ends::Open if is_current => self.charged(id, amount, currency),
            Ends::Done(_) if is_current => {}
            Ends::Open | Ends::Done(_) | Ends::Failed | Ends::Cancelled => {
                if payment.unwanted.insert(key) {
                    let wallet = payment.wallet.clone();
                    self.suspend(&wallet, currency, -amount);
                    let refund_id = RefundId::of_charge(&TenantId::default_tenant(), id, key);
                    let (unwanted, into_wallet) = (true, false);
                    let (payment, ends) = (id, Ends::Open);
                    let refund = Refund { payment, amount, currency, unwanted, into_wallet, ends };
                    self.refunds.insert(refund_id, refund);
                }
            }
        }
    }

    /// What is charged in another currency settles nothing.
    pub(super) fn charged(&mut self, id: PaymentId, amount: i64, currency: Currency) {
        let payment = self.payments.get_mut(&id).expect("asked for");
        let wallet = self.wallets.get_mut(&payment.wallet).expect("open");
        if wallet.currency != currency {
            return;
        }
        let captured = amount.min(payment.amount);
        payment.ends = Ends::Done(captured);
        wallet.posted -= captured;
        if amount > captured {
            let wallet = payment.wallet.clone();
            self.suspend(&wallet, currency, captured - amount);
        }
    }

    pub(super) fn given_back(&mut self, id: RefundId, amount: i64, currency: Currency) {
        let left = self.left(self.refunds[&id].payment);
        let refund = self.refunds.get_mut(&id).expect("asked for");
        let given = amount.min(refund.amount);
        let owed = match refund.ends {
            Ends::Done(_) => return,
            _ if refund.currency != currency => return,
            _ if refund.unwanted => 0,
            Ends::Open => given,
            Ends::Failed | Ends::Cancelled => given.min(left),
        };
        refund.ends = Ends::Done(owed);
        let id = self.payments[&refund.payment].wallet.clone();
        let wallet = self.wallets.get_mut(&id).expect("open");
        let credit = if refund.into_wallet && !wallet.closed { owed } else { 0 };
        wallet.posted += credit;
        if amount > credit {
            self.suspend(&id, currency, amount - credit);
        }
    }

    fn declined(&mut self, result: &GatewayResult) {
        if result.operation.is_of_refund() {
            let id = RefundId::of_operation(result.operation_id);
            let refund = self.refunds.get_mut(&id).expect("asked for");
            if refund.ends == Ends::Open {
                refund.ends = Ends::Failed;
            }
            return;
        }
        let payment = self.payments.get_mut(&result.payment_id).expect("asked for");
        if payment.ends == Ends::Open && payment.attempt == Some(result.operation_id) {
            payment.ends = if payment.wish { Ends::Cancelled } else { Ends::Failed };
        }
    }

    pub(super) fn leg(&mut self, leg: &TransferLeg) {
        let to = leg.to_wallet_id.to_string();
        let to_active = self.active(&to) && self.wallets[&to].currency == leg.currency;
        let transfer = self.transfers.get_mut(&leg.transfer_id).expect("asked for");
        match &leg.body {
            LegBody::CreditAsked {} => {
                if transfer.credited.is_none() {
                    transfer.credited = Some(to_active);
                    if to_active {
                        let to = self.wallets.get_mut(&transfer.to).expect("open");
                        to.posted += transfer.amount;
                    }
                }
            }
            LegBody::CreditDone {} => {
                assert_eq!(transfer.credited, Some(true));
                if transfer.ends == Ends::Open {
                    transfer.ends = Ends::Done(transfer.amount);
                    let from = self.wallets.get_mut(&transfer.from).expect("open");
                    from.posted -= transfer.amount;
                }
            }
            LegBody::CreditRefused { .. } => {
                assert_eq!(transfer.credited, Some(false));
                if transfer.ends == Ends::Open {
                    transfer.ends = Ends::Failed;
                }
            }
        }
    }
}
