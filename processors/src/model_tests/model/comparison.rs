//! Whether the ledger says what the model says.

use std::collections::BTreeMap;

use schemas::account::Account;
use schemas::read_model::WalletStatus;
use schemas::{Currency, OperationId, Partition};

use super::{Ends, Model, Tries};
use crate::{MemoryLedger, ReadLedger, payment, refund, transfer};

impl Model {
    /// The ledger says the same, and what it gave up it was allowed to.
    pub fn compare(&mut self, ledger: &MemoryLedger, shard: Partition) {
        self.give_up(ledger);
        for found in ledger.payments() {
            let ends = match &found.phase {
                payment::Phase::Completed(charge) => Ends::Done(charge.captured.minor()),
                payment::Phase::Failed(_) => Ends::Failed,
                payment::Phase::Cancelled(_) => Ends::Cancelled,
                _ => Ends::Open,
            };
            assert_eq!(ends, self.payments[&found.id].ends, "payment {}", found.id);
            assert!(self.left(found.id) >= 0, "refunds exceed what was captured");
        }
        for found in ledger.transfers() {
            let is_open = found.phase == transfer::Phase::Held;
            assert_eq!(is_open, self.transfers[&found.id].ends == Ends::Open);
        }
        let orphans = self.orphans.values().filter(|(at, _)| *at == shard).count();
        assert_eq!(usize::try_from(ledger.orphans().expect("memory")), Ok(orphans), "orphans");
        self.compare_money(ledger, shard);
    }

    fn give_up(&mut self, ledger: &MemoryLedger) {
        let is_clear = |tries: &BTreeMap<OperationId, Tries>, key: &OperationId| {
            tries.get(key).is_none_or(|tries| tries.maybe.is_empty())
        };
        for found in ledger.payments() {
            let payment = self.payments.get_mut(&found.id).expect("asked for");
            let gave_up = match found.phase {
                payment::Phase::Failed(_) => Ends::Failed,
                payment::Phase::Cancelled(_) => Ends::Cancelled,
                _ => continue,
            };
            if payment.ends == Ends::Open {
                let mut keys = payment.attempts.iter();
                assert!(keys.all(|key| is_clear(&self.tries, key)), "gave up in doubt");
                assert_eq!(gave_up == Ends::Cancelled, payment.wish);
                payment.ends = gave_up;
            }
        }
        for found in ledger.refunds() {
            let refund = self.refunds.get_mut(&found.id).expect("asked for");
            if found.phase == refund::Phase::Failed && refund.ends == Ends::Open {
                let key = OperationId::refund(found.id);
                assert!(is_clear(&self.tries, &key), "gave a refund up in doubt");
                refund.ends = Ends::Failed;
            }
            let is_open = refund.ends == Ends::Open;
            assert_eq!(found.is_open(), is_open, "refund {}", found.id);
        }
    }

    fn compare_money(&self, ledger: &MemoryLedger, shard: Partition) {
        let mut sums: BTreeMap<Currency, [i64; 2]> = BTreeMap::new();
        let mut suspense = BTreeMap::new();
        for (account, currency, state) in ledger.accounts() {
            let balances = state.balances;
            let sums = sums.entry(currency).or_default();
            sums[0] += balances.posted();
            sums[1] += balances.credits_pending - balances.debits_pending;
            match account {
                Account::Wallet(id) => {
                    let id = id.to_string();
                    let found =
                        (balances.posted(), balances.debits_pending, balances.credits_pending);
                    let wallet = &self.wallets[&id];
                    let expected = (wallet.posted, self.held(&id), self.announced(&id));
                    assert_eq!(found, expected, "wallet {id}");
                    assert!(balances.available() >= 0 || wallet.was_reversed, "{id} is overdrawn");
                }
                Account::Suspense => _ = suspense.insert((shard, currency), balances.posted()),
                Account::GatewayClearing(_) | Account::External(_) | Account::TransfersClearing => {
                }
            }
        }
        assert!(sums.values().all(|sums| *sums == [0, 0]), "money is not conserved: {sums:?}");
        let own = self.suspense.iter().filter(|((at, _), _)| *at == shard);
        assert_eq!(suspense, own.map(|(at, sum)| (*at, *sum)).collect(), "suspense");
        for found in ledger.wallets() {
            let wallet = &self.wallets[&found.id.to_string()];
            assert_eq!(found.status == WalletStatus::Closed, wallet.closed);
        }
    }
    /// All that is under way between shards is what receivers have and senders have not posted yet.
    pub fn compare_clearing<'a>(&self, ledgers: impl Iterator<Item = &'a MemoryLedger>) {
        let mut under_way: BTreeMap<Currency, i64> = BTreeMap::new();
        for (account, currency, state) in ledgers.flat_map(MemoryLedger::accounts) {
            if *account == Account::TransfersClearing {
                *under_way.entry(currency).or_default() += state.balances.posted();
            }
        }
        for transfer in self.transfers.values() {
            if (transfer.credited, transfer.ends) == (Some(true), Ends::Open) {
                let currency = self.wallets[&transfer.from].currency;
                *under_way.entry(currency).or_default() += transfer.amount;
            }
        }
        assert!(under_way.values().all(|sum| *sum == 0), "between shards: {under_way:?}");
    }
}
