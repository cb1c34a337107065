//! Callers that pay, without pause unless told otherwise, and never give a key up: the load under
//! which things are killed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use connectors::gateway::simulator::ground_truth::ChargeStatus;
use futures::future::join_all;
use tests::caller::{Answer, Caller, Numbers, Wallet, new_key};
use tests::installation::Installation;
use tests::wait::eventually;

const CALLERS: usize = 8;
/// How long a caller repeats one request, through all that happens meanwhile.
const PERSISTENCE: Duration = Duration::from_mins(2);
/// What they pay, in turn: mostly plain, and what leaves the gateway's answer in doubt.
const AMOUNTS: [i64; 10] = [100, 4_031, 250, 100, 4_042, 300, 4_021, 100, 4_001, 4_032];
/// The same without doubt: charged at once, but for a decline.
const BRISK_AMOUNTS: [i64; 5] = [100, 250, 300, 4_001, 150];
/// More than all of them will pay, minor units.
const DEPOSIT: i64 = 1_000_000_000;

/// One payment that somebody was told of.
#[derive(Debug, Clone)]
pub struct Accepted {
    payment_id: String,
    key: String,
    amount: i64,
}

/// Callers, and what they were told.
pub struct Load {
    /// Of each process that they call, in turn.
    callers: Vec<Caller>,
    amounts: &'static [i64],
    /// How long a caller rests after each payment.
    rest: Duration,
    wallets: [Wallet; 2],
    accepted: RefCell<Vec<Accepted>>,
    is_over: Cell<bool>,
}

impl Load {
    /// Callers of this installation, who do nothing yet.
    pub async fn on(installation: &Installation) -> Self {
        Self::of(vec![installation.caller()]).await
    }

    /// Callers of these processes, who do nothing yet.
    pub async fn of(callers: Vec<Caller>) -> Self {
        Self::with(callers, &AMOUNTS).await
    }

    /// Callers of this installation whose payments end at once.
    pub async fn brisk(installation: &Installation) -> Self {
        Self::with(vec![installation.caller()], &BRISK_AMOUNTS).await
    }

    async fn with(callers: Vec<Caller>, amounts: &'static [i64]) -> Self {
        let caller = &callers[0];
        let wallets = [caller.wallet_with(DEPOSIT).await, caller.wallet_with(DEPOSIT).await];
        let (accepted, is_over) = (RefCell::default(), Cell::new(false));
        Self { callers, amounts, rest: Duration::ZERO, wallets, accepted, is_over }
    }

    /// The same, with callers who rest after each payment. Without, the faster the machine the more
    /// payments an outage of the gateway catches; beyond what its retry budget sends again in time,
    /// payments fail, and rightly.
    pub fn resting(self, rest: Duration) -> Self {
        Self { rest, ..self }
    }

    /// Pays until `during` is over, then finishes what was begun.
    pub async fn while_doing(&self, during: impl Future<Output = ()>) {
        let callers = join_all((0..CALLERS).map(|number| self.pay_on(number)));
        let during = async {
            during.await;
            self.is_over.set(true);
        };
        futures::future::join(callers, during).await;
    }

    /// Waits until so many payments more have been accepted.
    pub async fn accepts(&self, more: usize) {
        let goal = self.accepted() + more;
        eventually(PERSISTENCE, &format!("{goal} payments are accepted"), async || {
            let count = self.accepted();
            if count >= goal { Ok(()) } else { Err(count) }
        })
        .await;
    }

    /// How many payments have been accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.borrow().len()
    }

    async fn pay_on(&self, number: usize) {
        let wallet = &self.wallets[number % self.wallets.len()];
        for turn in number.. {
            if self.is_over.get() {
                return;
            }
            let (key, amount) = (new_key(), self.amounts[turn % self.amounts.len()]);
            let caller = &self.callers[number % self.callers.len()];
            let answer = persist(caller, wallet, amount, &key).await;
            let payment_id = answer.payment_id().to_owned();
            self.accepted.borrow_mut().push(Accepted { payment_id, key, amount });
            tokio::time::sleep(self.rest).await;
        }
    }

    /// Every accepted payment has one end, its key still gives that payment, the gateway took
    /// exactly what the ledger says, and the audit agrees. `others` are the payments that somebody
    /// else completed.
    pub async fn check(&self, installation: &Installation, others: &[String]) {
        let accepted = self.accepted.borrow().clone();
        let mut completed: BTreeSet<String> = others.iter().cloned().collect();
        let mut captured = 0;
        for payment in &accepted {
            let shown = self.callers[0].settled(&payment.payment_id).await;
            let expected = if payment.amount == 4_001 { "failed" } else { "completed" };
            if shown["status"] != expected {
                let events = format!("/api/v1/payments/{}/events", payment.payment_id);
                let story = self.callers[0].get(&events).await;
                panic!("{payment:?} is not {expected}: {shown}\n{story:?}");
            }
            assert_eq!(shown["amount"], payment.amount, "{payment:?}: {shown}");
            let wallet =
                self.wallets.iter().find(|wallet| shown["wallet_id"] == wallet.id.as_str());
            let wallet = wallet.expect("it is from one of the wallets");
            let again = persist(&self.callers[0], wallet, payment.amount, &payment.key).await;
            assert_eq!(again.payment_id(), payment.payment_id, "{payment:?}: {again:?}");
            assert!(again.is_replayed(), "{payment:?}: {again:?}");
            if expected == "completed" {
                captured += payment.amount;
                completed.insert(payment.payment_id.clone());
            }
        }
        let keys: BTreeSet<_> = accepted.iter().map(|payment| &payment.key).collect();
        let ids: BTreeSet<_> = accepted.iter().map(|payment| &payment.payment_id).collect();
        assert_eq!((keys.len(), ids.len()), (accepted.len(), accepted.len()), "a key is an id");

        let decided = installation.charges().await;
        let took = decided.iter().filter(|charge| charge.status == ChargeStatus::Succeeded);
        let mut charged: Vec<_> = took.map(|charge| charge.reference.clone()).collect();
        charged.sort();
        assert_eq!(charged, completed.into_iter().collect::<Vec<_>>(), "charged once each");

        let mut left = 0;
        for wallet in &self.wallets {
            let numbers = self.callers[0].numbers(wallet).await;
            assert_eq!(numbers, Numbers::settled(numbers.posted), "nothing is held");
            left += numbers.posted;
        }
        assert_eq!(left, 2 * DEPOSIT - captured);
        let report = installation.assert_clean_audit().await;
        assert_eq!(report.totals.payments.requested, (accepted.len() + others.len()) as u64);
        assert_eq!(report.totals.payments.completed, charged.len() as u64);
        assert_eq!(report.totals.open_holds, 0);
    }
}

/// The same request with the same key, until it is decided.
pub async fn persist(caller: &Caller, wallet: &Wallet, amount: i64, key: &str) -> Answer {
    eventually(PERSISTENCE, &format!("the payment of key {key} is decided"), async || match caller
        .try_pay(wallet, amount, key)
        .await
    {
        Ok(answer) if matches!(answer.status, 201 | 202 | 402) => Ok(answer),
        Ok(answer) => {
            assert_eq!(answer.status, 503, "{answer:?}");
            Err(answer.body.to_string())
        }
        Err(error) => Err(format!("{error:?}")),
    })
    .await
}
