//! What gateways and other shards say, and what it does to the model.

use schemas::inputs::{GatewayOutcome, GatewayResult, LegBody, TransferLeg};
use schemas::{PaymentId, RefundId};

use super::{Ends, Model, Refund};

impl Model {
    pub(super) fn result(&mut self, result: &GatewayResult) {
        let (key, seq) = (result.operation_id, result.operation_seq);
        if seq > 0 && !self.answered.insert((key, seq)) {
            return;
        }
        let tries = self.tries.get_mut(&key).expect("was asked");
        match &result.outcome {
            GatewayOutcome::NotSent { .. } | GatewayOutcome::ExpiredUnsent {} if seq > 0 => {
                tries.maybe.remove(&seq);
            }
            GatewayOutcome::NotFound {} => {
                if tries.inquired.get(&seq).is_some_and(|at| *at > tries.conclusive) {
                    tries.maybe.clear();
                }
            }
            GatewayOutcome::Succeeded { amount, .. } => self.succeeded(result, *amount),
            GatewayOutcome::Declined { .. } => self.declined(result),
            GatewayOutcome::NotSent { .. }
            | GatewayOutcome::ExpiredUnsent {}
            | GatewayOutcome::OutcomeUnknown { .. } => {}
        }
    }

    fn succeeded(&mut self, result: &GatewayResult, amount: i64) {
        if result.operation.is_of_refund() {
            self.given_back(RefundId::of_operation(result.operation_id), amount);
            return;
        }
        let (id, key) = (result.payment_id, result.operation_id);
        let payment = self.payments.get_mut(&id).expect("asked for");
        let is_current = payment.attempt == Some(key);
        match payment.ends {
            Ends::Open if is_current => self.charged(id, amount),
            Ends::Done(_) if is_current => {}
            Ends::Open | Ends::Done(_) | Ends::Failed | Ends::Cancelled => {
                if payment.unwanted.insert(key) {
                    self.suspense -= amount;
                    let tenant = schemas::TenantId::default_tenant();
                    let (unwanted, into_wallet) = (true, false);
                    let (payment, ends) = (id, Ends::Open);
                    let refund = Refund { payment, amount, unwanted, into_wallet, ends };
                    self.refunds.insert(RefundId::of_charge(&tenant, id, key), refund);
                }
            }
        }
    }

    pub(super) fn charged(&mut self, id: PaymentId, amount: i64) {
        let payment = self.payments.get_mut(&id).expect("asked for");
        let captured = amount.min(payment.amount);
        payment.ends = Ends::Done(captured);
        self.wallets.get_mut(&payment.wallet).expect("open").posted -= captured;
        self.suspense -= amount - captured;
    }

    pub(super) fn given_back(&mut self, id: RefundId, amount: i64) {
        let left = self.left(self.refunds[&id].payment);
        let refund = self.refunds.get_mut(&id).expect("asked for");
        let given = amount.min(refund.amount);
        let owed = match refund.ends {
            Ends::Done(_) => return,
            _ if refund.unwanted => 0,
            Ends::Open => given,
            Ends::Failed | Ends::Cancelled => given.min(left),
        };
        refund.ends = Ends::Done(owed);
        let wallet = &self.payments[&refund.payment].wallet;
        let wallet = self.wallets.get_mut(wallet).expect("open");
        let credit = if refund.into_wallet && !wallet.closed { owed } else { 0 };
        wallet.posted += credit;
        self.suspense += amount - credit;
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
        let to_active = self.active(&leg.to_wallet_id.to_string());
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
