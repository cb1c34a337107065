//! An entry in the making: what a decision found, before seq, hash and balances make it an entry.

use schemas::account::{Account, AccountBalance, Layer, Posting, Side};
use schemas::entry::{Decision, Entry, Input, READER_VERSION, Source, TimerChange};
use schemas::event::Event;
use schemas::{Currency, EntryHash, ErrorCode, Money, Partition, Timestamp};

use crate::policy::Policy;
use crate::state::{AccountState, ReadLedger, StateError};

/// What comes with an input.
#[derive(Debug, Clone)]
pub struct DecideContext<'a> {
    /// Shard time.
    pub at: Timestamp,
    /// The sequence of the entry to be made.
    pub seq: i64,
    /// The hash of the entry before.
    pub prev_hash: EntryHash,
    /// Where the input came from.
    pub source: Source,
    /// The shard.
    pub partition: Partition,
    /// The configuration in force.
    pub policy: &'a Policy,
}

/// A refusal: the input changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub code: ErrorCode,
    pub detail: String,
}

impl Rejection {
    /// A refusal in the words of the code's table.
    pub fn of(code: ErrorCode) -> Self {
        Self { code, detail: code.meaning().to_owned() }
    }

    /// A refusal that says more than the table.
    pub fn because(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// A decision that was refused, or could not be taken for want of state.
#[derive(Debug)]
pub(crate) enum Refusal {
    Rejected(Rejection),
    State(StateError),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// What a decision found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub decision: Decision,
    pub events: Vec<Event>,
    pub postings: Vec<Posting>,
    pub timers: Vec<TimerChange>,
}

/// What a payment that goes well takes, in either of its entries.
const USUAL_EVENTS: usize = 4;
const USUAL_POSTINGS: usize = 4;

impl Draft {
    pub fn accepted() -> Self {
        Self {
            decision: Decision::accepted(),
            events: Vec::with_capacity(USUAL_EVENTS),
            postings: Vec::with_capacity(USUAL_POSTINGS),
            timers: Vec::with_capacity(1),
        }
    }

    pub fn replayed() -> Self {
        Self { decision: Decision::replayed(), ..Self::nothing() }
    }

    pub fn refused(rejection: Rejection) -> Self {
        let decision = Decision::refused(rejection.code.code(), rejection.detail);
        Self { decision, ..Self::nothing() }
    }

    fn nothing() -> Self {
        let (events, postings, timers) = (Vec::new(), Vec::new(), Vec::new());
        Self { decision: Decision::accepted(), events, postings, timers }
    }

    pub fn event(&mut self, event: Event) -> &mut Self {
        self.events.push(event);
        self
    }

    /// Moves money from one account to another: a debit here, a credit there.
    pub fn transfer(&mut self, layer: Layer, from: &Account, to: &Account, money: Money) {
        self.movement(layer, from, to, money.currency(), money.amount().minor());
    }

    /// Takes back a pending transfer.
    pub fn release(&mut self, from: &Account, to: &Account, money: Money) {
        self.movement(Layer::Pending, from, to, money.currency(), -money.amount().minor());
    }

    /// What was to come into one account will come into another. Whose it is meanwhile stays.
    pub fn redirect(&mut self, from: &Account, to: &Account, money: Money) {
        let amount = money.amount().minor();
        for (account, amount) in [(from, -amount), (to, amount)] {
            self.postings.push(Posting {
                account: account.clone(),
                currency: money.currency(),
                layer: Layer::Pending,
                side: Side::Credit,
                amount,
            });
        }
    }

    /// Sets a timer, or cancels it when there is no due time.
    pub fn timer(&mut self, timer_id: String, generation: i64, due: Option<Timestamp>) {
        self.timers.push(TimerChange { timer_id, generation, due });
    }

    /// Whether every account has room for what was drafted so far.
    pub fn fits(&self, state: &dyn ReadLedger) -> Result<bool, StateError> {
        match balances_after(state, &self.postings) {
            Ok(_) => Ok(true),
            Err(StateError::Contradiction(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn movement(
        &mut self,
        layer: Layer,
        from: &Account,
        to: &Account,
        currency: Currency,
        amount: i64,
    ) {
        for (account, side) in [(from, Side::Debit), (to, Side::Credit)] {
            let account = account.clone();
            self.postings.push(Posting { account, currency, layer, side, amount });
        }
    }

    /// The entry.
    ///
    /// # Errors
    /// A posting that would overflow or release what is not held: the guards of a decision exclude
    /// both, so the state is not what the decision saw.
    pub fn finish(
        self,
        state: &dyn ReadLedger,
        ctx: &DecideContext<'_>,
        input: Input,
    ) -> Result<Entry, StateError> {
        Ok(Entry {
            seq: ctx.seq,
            prev_hash: ctx.prev_hash,
            min_reader: READER_VERSION,
            at: ctx.at,
            policy_version: ctx.policy.version,
            source: ctx.source.clone(),
            input,
            decision: self.decision,
            events: self.events,
            balances: balances_after(state, &self.postings)?,
            postings: self.postings,
            timers: self.timers,
        })
    }
}

/// The numbers of every account that the postings touch, afterwards.
pub(crate) fn balances_after(
    state: &dyn ReadLedger,
    postings: &[Posting],
) -> Result<Vec<AccountBalance>, StateError> {
    // Two accounts, nearly always: a list is cheaper than a map.
    let mut accounts: Vec<((&Account, Currency), AccountState)> = Vec::with_capacity(2);
    for posting in postings {
        let name = (&posting.account, posting.currency);
        let known = accounts.iter().position(|(known, _)| *known == name);
        let at = known.unwrap_or(accounts.len());
        if known.is_none() {
            accounts.push((name, state.account(&posting.account, posting.currency)?));
        }
        let balances = &mut accounts[at].1.balances;
        *balances = balances
            .after(posting.layer, posting.side, posting.amount)
            .ok_or_else(|| StateError::Contradiction(format!("{posting:?} does not fit")))?;
    }
    accounts.sort_unstable_by_key(|(name, _)| *name);
    let row = |((account, currency), state): ((&Account, Currency), AccountState)| AccountBalance {
        account: account.clone(),
        currency,
        version: state.version + 1,
        debits_pending: state.balances.debits_pending,
        debits_posted: state.balances.debits_posted,
        credits_pending: state.balances.credits_pending,
        credits_posted: state.balances.credits_posted,
    };
    Ok(accounts.into_iter().map(row).collect())
}
