//! What happened to one thing, told for people: step by step, with the money, the evidence and what
//! it waits for. A pure function of entries.
//!
//! It judges nothing (that is the audit) and reads no state: whatever is told stands in the entries
//! that are given. Sealed texts stay sealed. The words may change; programs read the entries.

mod input;
mod standing;
mod subject;
#[cfg(test)]
mod tests;
mod words;

use schemas::account::{Account, AccountBalance};
use schemas::entry::{Entry, InputBody, Verdict};
use schemas::inputs::{GatewayResult, LegBody, OperationBody};
use schemas::{Currency, Position, Sealed, Timestamp, WalletId};

pub use subject::{Subject, receiver_in};

use standing::Standing;

/// What happened to one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Of what.
    pub subject: Subject,
    /// What it is, and where it stands.
    pub headline: String,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What goes on next, by itself or by whom; none when nothing does.
    pub waits_for: Option<String>,
    /// The numbers of each wallet that it moved, after the last step that did.
    pub wallets: Vec<WalletNumbers>,
}

/// One entry of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The entry.
    pub position: Position,
    /// Shard time.
    pub at: Timestamp,
    /// What came in, and what it led to.
    pub sentences: Vec<String>,
    /// What was seen outside, in the words of whoever saw it.
    pub evidence: Option<String>,
    /// The numbers of each wallet that it moved, afterwards.
    pub wallets: Vec<WalletNumbers>,
}

/// What a wallet has, minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletNumbers {
    /// Which.
    pub wallet_id: WalletId,
    /// Of what.
    pub currency: Currency,
    /// What is in it.
    pub posted: i64,
    /// What is held.
    pub pending_debits: i64,
    /// What is about to come.
    pub pending_credits: i64,
    /// What can be paid with.
    pub available: i64,
}

/// Tells the story of this subject from entries in the order of their partitions; none when no
/// entry is about it.
pub fn tell(subject: Subject, entries: &[(Position, Entry)]) -> Option<Story> {
    let mut own: Vec<&(Position, Entry)> =
        entries.iter().filter(|(_, entry)| subject.concerns(entry)).collect();
    if let Subject::Transfer(_) = subject {
        // Two shards with one clock each: of the same moment, what asks comes before what answers.
        own.sort_by_key(|(_, entry)| (entry.at, turn_of(entry)));
    }
    let mut standing = Standing::new(subject);
    let mut steps = Vec::with_capacity(own.len());
    let mut wallets: Vec<WalletNumbers> = Vec::new();
    for (position, entry) in own {
        standing.fold(entry);
        let moved = moved(subject, entry);
        for numbers in &moved {
            wallets.retain(|known| known.wallet_id != numbers.wallet_id);
            wallets.push(numbers.clone());
        }
        steps.push(step(subject, *position, entry, moved));
    }
    let waits_for = standing.waits_for();
    let headline = standing.headline();
    (!steps.is_empty()).then_some(Story { subject, headline, steps, waits_for, wallets })
}

fn step(subject: Subject, position: Position, entry: &Entry, wallets: Vec<WalletNumbers>) -> Step {
    let mut sentences = vec![input::sentence(entry)];
    match entry.decision.verdict {
        Verdict::Accepted => {
            let events = entry.events.iter().filter(|event| subject.is_of(event));
            sentences.extend(events.filter_map(words::sentence));
        }
        Verdict::Replayed => {
            sentences.push("That had been handled before: nothing changed.".to_owned());
        }
        Verdict::Refused => {
            let (code, detail) = (&entry.decision.code, &entry.decision.detail);
            sentences.push(format!("Refused as {code}: {detail}. Nothing changed."));
        }
    }
    let evidence = evidence(entry).map(|sealed| match sealed.read_plaintext() {
        Some(text) => text.to_owned(),
        None => format!("sealed under key {}", sealed.key_id),
    });
    let evidence = evidence.filter(|text| !text.is_empty());
    Step { position, at: entry.at, sentences, evidence, wallets }
}

/// What somebody saw and gave as the reason.
pub(crate) fn evidence(entry: &Entry) -> Option<&Sealed> {
    match &entry.input.body {
        InputBody::GatewayResult(GatewayResult { evidence, .. }) => evidence.as_ref(),
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::ResolvePayment(resolve) => resolve.evidence.as_ref(),
            OperationBody::ResolveRefund(resolve) => resolve.evidence.as_ref(),
            OperationBody::OpenWallet(_)
            | OperationBody::Deposit(_)
            | OperationBody::Withdraw(_)
            | OperationBody::ReverseDeposit(_)
            | OperationBody::ReverseWithdrawal(_)
            | OperationBody::FreezeWallet(_)
            | OperationBody::UnfreezeWallet(_)
            | OperationBody::CloseWallet(_)
            | OperationBody::SetLimits(_)
            | OperationBody::AdoptPolicy(_) => None,
        },
        InputBody::Command(_)
        | InputBody::TransferLeg(_)
        | InputBody::TimerFired {}
        | InputBody::Unreadable(_) => None,
    }
}

/// The wallets that the entry moves, as far as the story is about them.
fn moved(subject: Subject, entry: &Entry) -> Vec<WalletNumbers> {
    let numbers = |row: &AccountBalance| {
        let Account::Wallet(wallet_id) = row.account else { return None };
        let (currency, balances) = (row.currency, row.balances());
        let is_told = match subject {
            Subject::Wallet(own) => own == wallet_id,
            Subject::Payment(_) | Subject::Refund(_) | Subject::Transfer(_) => true,
        };
        is_told.then_some(WalletNumbers {
            wallet_id,
            currency,
            posted: balances.posted(),
            pending_debits: balances.debits_pending,
            pending_credits: balances.credits_pending,
            available: balances.available(),
        })
    };
    entry.balances.iter().filter_map(numbers).collect()
}

/// Where an entry of a transfer comes among those of its moment.
fn turn_of(entry: &Entry) -> u8 {
    match &entry.input.body {
        InputBody::TransferLeg(leg) => match leg.body {
            LegBody::CreditAsked {} => 2,
            LegBody::CreditDone {} | LegBody::CreditRefused { .. } => 3,
        },
        InputBody::TimerFired {} => 1,
        InputBody::Command(_)
        | InputBody::Operation(_)
        | InputBody::GatewayResult(_)
        | InputBody::Unreadable(_) => 0,
    }
}

/// Minor units as people write them: `100.00 USD`.
fn money(minor: i64, currency: Currency) -> String {
    let digits = usize::from(currency.minor_digits());
    let sign = if minor < 0 { "-" } else { "" };
    let number = format!("{:0>width$}", minor.unsigned_abs(), width = digits + 1);
    let (whole, part) = number.split_at(number.len() - digits);
    if digits == 0 {
        format!("{sign}{whole} {currency}")
    } else {
        format!("{sign}{whole}.{part} {currency}")
    }
}

/// The same of what stands on the wire, where a currency may be any text.
fn money_as_told(minor: i64, currency: &str) -> String {
    match currency.parse() {
        Ok(currency) => money(minor, currency),
        Err(_) => format!("{minor} {currency}"),
    }
}

impl WalletNumbers {
    /// The four numbers in words.
    pub fn sentence(&self) -> String {
        let money = |minor| money(minor, self.currency);
        format!(
            "wallet {}: posted {}, held {}, to come {}, available {}",
            self.wallet_id,
            money(self.posted),
            money(self.pending_debits),
            money(self.pending_credits),
            money(self.available)
        )
    }
}
