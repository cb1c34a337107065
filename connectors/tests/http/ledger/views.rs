//! What the scripted ledger shows.

use connectors::ports::{
    AsOf, CommandOutcome, Doubts, Page, PageRequest, PaymentFilter, SuspenseKey, ViewError, Views,
};
use schemas::read_model::{
    DepositRow, PaymentRow, RefundRow, SuspenseRow, TransferCreditRow, TransferRow, TransferStatus,
    WalletMovement, WalletRow, WithdrawalRow,
};
use schemas::timeline::{Saga, TimelineRow};
use schemas::{
    DepositId, GatewayName, Partition, PaymentId, Position, RefundId, Timestamp, TransferId,
    WalletId, WithdrawalId,
};
use tokio::sync::{oneshot, watch};

use crate::gateways;

use super::{Ledger, cut, now, shards};

impl Views for Ledger {
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, ViewError> {
        Ok(self.state().payments.get(&id).cloned())
    }

    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, ViewError> {
        Ok(self.state().wallets.get(&id).cloned())
    }

    fn deposit(&self, id: DepositId) -> Result<Option<DepositRow>, ViewError> {
        Ok(self.state().deposits.get(&id).cloned())
    }

    fn withdrawal(&self, id: WithdrawalId) -> Result<Option<WithdrawalRow>, ViewError> {
        Ok(self.state().withdrawals.get(&id).cloned())
    }

    fn refund(&self, id: RefundId) -> Result<Option<RefundRow>, ViewError> {
        Ok(self.state().refunds.get(&id).cloned())
    }

    fn refunds(&self, payment: &PaymentRow) -> Result<Vec<RefundRow>, ViewError> {
        let mut rows: Vec<_> = self.state().refunds.values().cloned().collect();
        rows.retain(|row| row.payment_id == payment.id);
        rows.sort_by_key(|row| (row.created_at, row.id));
        Ok(rows)
    }

    fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, ViewError> {
        Ok(self.state().transfers.get(&id).cloned())
    }

    fn transfer_credit(&self, id: TransferId) -> Result<Option<TransferCreditRow>, ViewError> {
        Ok(self.state().transfer_credits.get(&id).cloned())
    }

    fn held_transfers(
        &self,
        wallet: WalletId,
        page: PageRequest<(Timestamp, TransferId)>,
    ) -> Result<Page<TransferRow, (Timestamp, TransferId)>, ViewError> {
        let key = |row: &TransferRow| (row.created_at, row.id);
        let mut rows: Vec<_> = self.state().transfers.values().cloned().collect();
        rows.retain(|row| {
            row.from_wallet_id == wallet
                && row.status == TransferStatus::Held
                && page.after.is_none_or(|after| key(row) < after)
        });
        rows.sort_by_key(|row| std::cmp::Reverse(key(row)));
        Ok(cut(rows, page.limit, key))
    }

    fn suspense(
        &self,
        wallet: Option<WalletId>,
        page: PageRequest<SuspenseKey>,
    ) -> Result<Page<SuspenseRow, SuspenseKey>, ViewError> {
        let key = |row: &SuspenseRow| (row.at, row.position, row.number);
        let mut rows = self.state().suspense.clone();
        rows.retain(|row| {
            wallet.is_none_or(|wallet| wallet == row.wallet_id)
                && page.after.is_none_or(|after| key(row) < after)
        });
        rows.sort_by_key(|row| std::cmp::Reverse(key(row)));
        Ok(cut(rows, page.limit, key))
    }

    fn numbers(&self, wallet: WalletId, as_of: AsOf) -> Result<Option<WalletMovement>, ViewError> {
        let counts = |row: &&WalletMovement| {
            row.wallet_id == wallet
                && match as_of {
                    AsOf::Offset(offset) => row.position.offset <= offset,
                    AsOf::Time(time) => row.at <= time,
                }
        };
        Ok(self.state().movements.iter().rev().find(counts).cloned())
    }

    fn shard_time(&self, partition: Partition) -> Option<Timestamp> {
        let applied = self.applied(partition)?;
        Some(now(applied.offset.number()))
    }

    fn payments(
        &self,
        filter: &PaymentFilter,
        page: PageRequest<(Timestamp, PaymentId)>,
    ) -> Result<Page<PaymentRow, (Timestamp, PaymentId)>, ViewError> {
        let key = |row: &PaymentRow| (row.created_at, row.id);
        let mut rows: Vec<_> = self.state().payments.values().cloned().collect();
        rows.retain(|row| {
            filter.status.is_none_or(|status| status == row.status)
                && (!filter.is_held || row.status.is_held())
                && filter.wallet_id.is_none_or(|wallet| wallet == row.wallet_id)
                && filter.created_to.is_none_or(|to| row.created_at < to)
                && page.after.is_none_or(|after| key(row) < after)
        });
        rows.sort_by_key(|row| std::cmp::Reverse(key(row)));
        Ok(cut(rows, page.limit, key))
    }

    fn doubts(&self, gateway: &GatewayName) -> Result<Doubts, ViewError> {
        let state = self.state();
        Ok(gateways::doubts(state.payments.values(), state.refunds.values(), gateway))
    }

    fn timeline(&self, payment: &PaymentRow) -> Result<Vec<TimelineRow>, ViewError> {
        Ok(self.state().timelines.get(&payment.id).cloned().unwrap_or_default())
    }

    fn saga(&self, payment: &PaymentRow) -> Result<Saga, ViewError> {
        let saga = self.state().sagas.get(&payment.id).cloned();
        saga.ok_or_else(|| ViewError("no saga was scripted".to_owned()))
    }

    fn statement(
        &self,
        wallet: WalletId,
        page: PageRequest<i64>,
    ) -> Result<Page<WalletMovement, i64>, ViewError> {
        let key = |row: &WalletMovement| row.position.offset.number();
        let mut rows = self.state().movements.clone();
        rows.retain(|row| {
            let is_older = page.after.is_none_or(|after| key(row) < after);
            row.wallet_id == wallet && row.line.is_some() && is_older
        });
        rows.reverse();
        Ok(cut(rows, page.limit, key))
    }

    fn applied(&self, partition: Partition) -> Option<Position> {
        self.state().applied.get(&partition).copied()
    }

    fn shard(&self, wallet: WalletId) -> Partition {
        wallet.shard(shards())
    }

    fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    fn outcome(&self, command_id: &str) -> oneshot::Receiver<CommandOutcome> {
        let (waiter, outcome) = oneshot::channel();
        let earlier = self.state().waiters.insert(command_id.to_owned(), waiter);
        assert!(earlier.is_none(), "a command id is used once");
        outcome
    }
}
