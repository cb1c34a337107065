//! The domain as naively as can be: what each input does to a few numbers.
//!
//! It knows no back-off, and of timers only that they bring up what had been said before. When the
//! ledger gives something up, the model only asks whether that was allowed: nothing that was sent
//! may have arrived. Everything else it foretells.

mod answers;
mod comparison;

use std::collections::{BTreeMap, BTreeSet};

use schemas::entry::{Entry, InputBody, Source, Verdict};
use schemas::event::Event;
use schemas::inputs::{
    Command, CommandBody, GatewayResult, Operation, OperationBody, ResolvedOutcome,
};
use schemas::{
    Currency, GatewayName, OperationId, Partition, PaymentId, RefundId, Timestamp, TransferId,
};

use crate::TimerSubject;

#[derive(Default)]
pub(super) struct Model {
    wallets: BTreeMap<String, Wallet>,
    payments: BTreeMap<PaymentId, Payment>,
    refunds: BTreeMap<RefundId, Refund>,
    transfers: BTreeMap<TransferId, Transfer>,
    facts: BTreeMap<String, Fact>,
    tries: BTreeMap<OperationId, Tries>,
    answered: BTreeSet<(OperationId, i32)>,
    /// What was said of keys that nobody knows, and where.
    orphans: BTreeMap<OperationId, (Partition, GatewayResult)>,
    suspense: BTreeMap<(Partition, Currency), i64>,
}

struct Wallet {
    shard: Partition,
    currency: Currency,
    posted: i64,
    closed: bool,
    frozen: bool,
    was_reversed: bool,
}

struct Payment {
    wallet: String,
    amount: i64,
    ends: Ends,
    wish: bool,
    attempt: Option<OperationId>,
    attempts: Vec<OperationId>,
    unwanted: BTreeSet<OperationId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ends {
    Open,
    Done(i64),
    Failed,
    Cancelled,
}

struct Refund {
    payment: PaymentId,
    amount: i64,
    currency: Currency,
    unwanted: bool,
    into_wallet: bool,
    ends: Ends,
}

struct Transfer {
    from: String,
    to: String,
    amount: i64,
    credited: Option<bool>,
    ends: Ends,
}

struct Fact {
    wallet: String,
    amount: i64,
    suspended: bool,
    reversed: bool,
}

/// What was sent with one key, and when "not found" begins to prove something.
struct Tries {
    gateway: GatewayName,
    maybe: BTreeSet<i32>,
    conclusive: Timestamp,
    inquired: BTreeMap<i32, Timestamp>,
}

impl Model {
    /// Takes in what was decided: the input decides what it should have done.
    pub fn take(&mut self, entry: &Entry, shard: Partition) {
        match &entry.input.body {
            InputBody::Command(command) => self.command(command, entry),
            InputBody::Operation(operation) => self.operation(operation, entry, shard),
            InputBody::GatewayResult(result) => self.result(result, shard),
            InputBody::TransferLeg(leg) => self.leg(leg),
            InputBody::TimerFired {} => self.fired(&entry.source),
            InputBody::Unreadable(_) => {}
        }
        self.asked(entry);
        for change in &entry.timers {
            let subject = TimerSubject::of(&change.timer_id).map(|(subject, _)| subject);
            if subject.and_then(|subject| self.unheard(subject)).is_some() {
                assert_eq!(change.due, Some(entry.at), "what was said before is heard at once");
            }
        }
    }

    /// Whatever a timer is for, it first brings up what had been said before.
    fn fired(&mut self, source: &Source) {
        let Source::Timer { timer_id, .. } = source else { panic!("a timer fires by itself") };
        let (subject, _) = TimerSubject::of(timer_id).expect("one of ours");
        if let Some(key) = self.unheard(subject) {
            let (_, said) = self.orphans.remove(&key).expect("unheard");
            self.heard(&GatewayResult { operation_seq: 0, ..said });
        }
    }

    /// The key of this of which something was said before it was known, the latest first.
    fn unheard(&self, subject: TimerSubject) -> Option<OperationId> {
        let keys = match subject {
            TimerSubject::Payment(id) => {
                let payment = &self.payments[&id];
                payment.attempt.iter().chain(&payment.attempts).copied().collect()
            }
            TimerSubject::Refund(id) => vec![OperationId::refund(id)],
            TimerSubject::Transfer(_) => Vec::new(),
        };
        let is_said = |key: &OperationId| {
            let said = self.orphans.get(key).map(|(_, said)| &said.gateway);
            said == self.tries.get(key).map(|tries| &tries.gateway) && said.is_some()
        };
        keys.into_iter().find(is_said)
    }

    fn suspend(&mut self, wallet: &str, currency: Currency, amount: i64) {
        let shard = self.wallets[wallet].shard;
        *self.suspense.entry((shard, currency)).or_default() += amount;
    }

    /// Notes what goes out: a key goes to one gateway only, and nothing is sent twice in doubt.
    fn asked(&mut self, entry: &Entry) {
        for event in &entry.events {
            if let Event::AttemptStarted(event) = event {
                let payment = self.payments.get_mut(&event.payment_id).expect("asked for");
                let earlier = payment.attempts.iter().map(|key| &self.tries[key]);
                assert!(
                    earlier.into_iter().all(|tries| tries.maybe.is_empty()),
                    "failover in doubt"
                );
                payment.attempt = Some(event.operation_id);
                payment.attempts.push(event.operation_id);
            }
            let Event::GatewayOperationRequested(asked) = event else { continue };
            let fresh = || Tries {
                gateway: asked.gateway.clone(),
                maybe: BTreeSet::new(),
                conclusive: Timestamp::default(),
                inquired: BTreeMap::new(),
            };
            let tries = self.tries.entry(asked.operation_id).or_insert_with(fresh);
            assert_eq!(tries.gateway, asked.gateway, "a key at two gateways");
            if asked.operation.moves_money() {
                assert!(tries.maybe.is_empty(), "sent again in doubt");
                tries.maybe.insert(asked.operation_seq);
                tries.conclusive = asked.conclusive_after;
                if let Some(payment) = self.payments.get(&asked.payment_id) {
                    assert!(asked.refund.is_some() || !payment.wish, "sent after a cancel");
                }
            } else {
                tries.inquired.insert(asked.operation_seq, entry.at);
            }
        }
    }

    fn active(&self, wallet: &str) -> bool {
        self.wallets.get(wallet).is_some_and(|wallet| !wallet.closed && !wallet.frozen)
    }

    fn held(&self, wallet: &str) -> i64 {
        let payments = self.payments.values();
        let open = payments.filter(|one| one.wallet == wallet && one.ends == Ends::Open);
        let transfers = self.transfers.values();
        let sent = transfers.filter(|one| one.from == wallet && one.ends == Ends::Open);
        open.map(|one| one.amount).sum::<i64>() + sent.map(|one| one.amount).sum::<i64>()
    }

    fn announced(&self, wallet: &str) -> i64 {
        let open = self.refunds.values().filter(|one| one.into_wallet && one.ends == Ends::Open);
        let own = open.filter(|one| self.payments[&one.payment].wallet == wallet);
        own.map(|one| one.amount).sum()
    }

    fn available(&self, wallet: &str) -> i64 {
        self.wallets[wallet].posted - self.held(wallet)
    }

    /// What is left of a payment to be refunded.
    fn left(&self, id: PaymentId) -> i64 {
        let Some(Ends::Done(captured)) = self.payments.get(&id).map(|one| one.ends) else {
            return 0;
        };
        let own = self.refunds.values().filter(|one| one.payment == id && !one.unwanted);
        captured
            - own
                .map(|one| match one.ends {
                    Ends::Open => one.amount,
                    Ends::Done(credited) => credited,
                    Ends::Failed | Ends::Cancelled => 0,
                })
                .sum::<i64>()
    }

    fn command(&mut self, command: &Command, entry: &Entry) {
        let is_accepted = entry.decision.verdict == Verdict::Accepted;
        match &command.body {
            CommandBody::Pay(pay) => {
                let id = pay.payment_id.parse().expect("an id");
                assert_eq!(
                    is_accepted,
                    !self.payments.contains_key(&id),
                    "{}",
                    entry.decision.code
                );
                if !is_accepted {
                    return;
                }
                let (wallet, amount) = (pay.wallet_id.clone(), pay.amount);
                let can = self.active(&wallet) && self.available(&wallet) >= amount;
                let is_held = entry.events.iter().any(|one| matches!(one, Event::HoldPlaced(_)));
                // Limits are judged by the audit; here they may only refuse more.
                let is_limited = entry.events.iter().any(
                    |one| matches!(one, Event::PaymentFailed(one) if one.code == "limit_exceeded"),
                );
                assert_eq!(is_held, can && !is_limited);
                let ends = if is_held { Ends::Open } else { Ends::Failed };
                let (attempts, unwanted) = (Vec::new(), BTreeSet::new());
                let (wish, attempt) = (false, None);
                let payment = Payment { wallet, amount, ends, wish, attempt, attempts, unwanted };
                self.payments.insert(id, payment);
            }
            CommandBody::Cancel(cancel) => {
                let payment = self.payments.get_mut(&cancel.payment_id.parse().expect("an id"));
                if let Some(payment) = payment.filter(|_| is_accepted) {
                    assert_eq!(payment.ends, Ends::Open);
                    payment.wish = true;
                }
            }
            CommandBody::Refund(asked) => {
                let id = asked.refund_id.parse().expect("an id");
                let payment: PaymentId = asked.payment_id.parse().expect("an id");
                let left = self.left(payment);
                let amount = asked.amount.unwrap_or(left);
                let can = left > 0 && amount <= left && !self.refunds.contains_key(&id);
                assert_eq!(is_accepted, can, "{}", entry.decision.code);
                if can {
                    let wallet = &self.wallets[&self.payments[&payment].wallet];
                    let (currency, into_wallet) = (wallet.currency, !wallet.closed);
                    let (unwanted, ends) = (false, Ends::Open);
                    let refund = Refund { payment, amount, currency, unwanted, into_wallet, ends };
                    self.refunds.insert(id, refund);
                }
            }
            CommandBody::Transfer(asked) => {
                let id = asked.transfer_id.parse().expect("an id");
                assert_eq!(is_accepted, !self.transfers.contains_key(&id));
                if !is_accepted {
                    return;
                }
                let (from, to) = (asked.wallet_id.clone(), asked.to_wallet_id.clone());
                let can = self.active(&from) && self.available(&from) >= asked.amount;
                let ends = if can { Ends::Open } else { Ends::Failed };
                let (amount, credited) = (asked.amount, None);
                self.transfers.insert(id, Transfer { from, to, amount, credited, ends });
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    fn operation(&mut self, operation: &Operation, entry: &Entry, shard: Partition) {
        let is_accepted = entry.decision.verdict == Verdict::Accepted;
        match &operation.body {
            OperationBody::OpenWallet(open) => {
                let wallet = Wallet {
                    shard,
                    currency: open.currency.parse().expect("a currency"),
                    posted: 0,
                    closed: false,
                    frozen: false,
                    was_reversed: false,
                };
                self.wallets.insert(open.wallet_id.clone(), wallet);
            }
            OperationBody::Deposit(asked) => {
                assert!(is_accepted, "every deposit has a reference of its own");
                let wallet = self.wallets.get_mut(&asked.wallet_id).expect("open");
                let (suspended, currency) = (wallet.closed, wallet.currency);
                if suspended {
                    self.suspend(&asked.wallet_id, currency, asked.amount);
                } else {
                    wallet.posted += asked.amount;
                }
                self.fact(&asked.deposit_id, &asked.wallet_id, asked.amount, suspended);
            }
            OperationBody::Withdraw(asked) => {
                let can = self.active(&asked.wallet_id)
                    && self.available(&asked.wallet_id) >= asked.amount;
                assert_eq!(is_accepted, can, "{}", entry.decision.code);
                if can {
                    self.wallets.get_mut(&asked.wallet_id).expect("open").posted -= asked.amount;
                    self.fact(&asked.withdrawal_id, &asked.wallet_id, asked.amount, false);
                }
            }
            OperationBody::ReverseDeposit(asked) => {
                self.reverse(&asked.deposit_id, -1, is_accepted);
            }
            OperationBody::ReverseWithdrawal(asked) => {
                self.reverse(&asked.withdrawal_id, 1, is_accepted);
            }
            OperationBody::FreezeWallet(asked) => {
                let wallet = self.wallets.get_mut(&asked.wallet_id).expect("open");
                assert_eq!(is_accepted, !wallet.closed && !wallet.frozen);
                wallet.frozen = true;
            }
            OperationBody::UnfreezeWallet(asked) => {
                let wallet = self.wallets.get_mut(&asked.wallet_id).expect("open");
                assert_eq!(is_accepted, !wallet.closed && wallet.frozen);
                wallet.frozen = false;
            }
            OperationBody::CloseWallet(asked) => {
                let id = &asked.wallet_id;
                let is_idle = self.held(id) == 0 && self.announced(id) == 0;
                let wallet = self.wallets.get_mut(id).expect("open");
                let can = is_idle && wallet.posted == 0 && !wallet.closed;
                assert_eq!(is_accepted, can, "{}", entry.decision.code);
                wallet.closed |= can;
            }
            OperationBody::ResolvePayment(asked) if is_accepted => {
                let id = asked.payment_id.parse().expect("an id");
                match asked.outcome {
                    ResolvedOutcome::Failed => {
                        self.payments.get_mut(&id).expect("asked for").ends = Ends::Failed;
                    }
                    ResolvedOutcome::Succeeded => {
                        let payment = &self.payments[&id];
                        let currency = self.wallets[&payment.wallet].currency;
                        self.charged(id, asked.amount.unwrap_or(payment.amount), currency);
                    }
                }
            }
            OperationBody::ResolveRefund(asked) if is_accepted => {
                let id = asked.refund_id.parse().expect("an id");
                match asked.outcome {
                    ResolvedOutcome::Failed => {
                        self.refunds.get_mut(&id).expect("asked for").ends = Ends::Failed;
                    }
                    ResolvedOutcome::Succeeded => {
                        let (amount, currency) =
                            (self.refunds[&id].amount, self.refunds[&id].currency);
                        self.given_back(id, asked.amount.unwrap_or(amount), currency);
                    }
                }
            }
            OperationBody::SetLimits(_)
            | OperationBody::ResolvePayment(_)
            | OperationBody::ResolveRefund(_)
            | OperationBody::AdoptPolicy(_) => {}
        }
    }

    fn fact(&mut self, id: &str, wallet: &str, amount: i64, suspended: bool) {
        let fact = Fact { wallet: wallet.to_owned(), amount, suspended, reversed: false };
        self.facts.insert(id.to_owned(), fact);
    }

    fn reverse(&mut self, id: &str, sign: i64, is_accepted: bool) {
        let fact = self.facts.get_mut(id).filter(|fact| !fact.reversed);
        assert_eq!(is_accepted, fact.is_some());
        let Some(fact) = fact else { return };
        fact.reversed = true;
        let wallet = self.wallets.get_mut(&fact.wallet).expect("open");
        let (id, currency, amount) = (fact.wallet.clone(), wallet.currency, sign * fact.amount);
        if fact.suspended || wallet.closed {
            self.suspend(&id, currency, amount);
        } else {
            wallet.posted += amount;
            wallet.was_reversed |= sign < 0;
        }
    }
}
