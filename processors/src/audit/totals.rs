//! Counts what the journal holds. Judges nothing.

use schemas::account::{Account, Layer, Side};
use schemas::entry::{Entry, Verdict};
use schemas::event::Event;
use schemas::{Currency, Position};

use super::payments::{Course, Payments};
use super::report::{MoneyTotals, Totals};

/// Takes in where a record stands, readable or not.
pub(super) fn count_record(totals: &mut Totals, position: Position) {
    totals.entries += 1;
    let partition = totals.partitions.entry(position.partition).or_default();
    partition.entries += 1;
    partition.last_offset = position.offset.number();
}

/// Takes in an entry.
pub(super) fn count_entry(totals: &mut Totals, position: Position, entry: &Entry) {
    totals.partitions.entry(position.partition).or_default().last_seq = entry.seq;
    match entry.decision.verdict {
        Verdict::Accepted => totals.accepted += 1,
        Verdict::Replayed => totals.replayed += 1,
        Verdict::Refused => totals.refused += 1,
    }
    for event in &entry.events {
        count_rails(totals, event);
        if let Event::DiscrepancyRecorded(_) = event {
            totals.discrepancies += 1;
        }
        if let Event::SuspenseBooked(_) = event {
            totals.suspense_bookings += 1;
        }
    }
    let is_refund = entry.events.iter().any(|event| matches!(event, Event::RefundSucceeded(_)));
    for posting in &entry.postings {
        if posting.account == Account::Suspense && posting.layer == Layer::Posted {
            let sign = if posting.side == Side::Credit { 1 } else { -1 };
            money(totals, posting.currency).in_suspense += sign * i128::from(posting.amount);
        }
        let Account::Wallet(_) = posting.account else { continue };
        let money = money(totals, posting.currency);
        let amount = i128::from(posting.amount);
        match (posting.layer, posting.side) {
            (Layer::Posted, Side::Credit) => {
                money.in_wallets += amount;
                money.refunded += if is_refund { amount } else { 0 };
            }
            (Layer::Posted, Side::Debit) => money.in_wallets -= amount,
            (Layer::Pending, Side::Debit) => money.held += amount,
            (Layer::Pending, Side::Credit) => {}
        }
    }
}

/// Takes in what came and went by external rails; what was taken back neither came nor went.
fn count_rails(totals: &mut Totals, event: &Event) {
    if let Event::DepositRecorded(event) = event {
        money(totals, event.currency).deposited += i128::from(event.amount.minor());
    }
    if let Event::DepositReversed(event) = event {
        money(totals, event.currency).deposited -= i128::from(event.amount.minor());
    }
    if let Event::WithdrawalRecorded(event) = event {
        money(totals, event.currency).withdrawn += i128::from(event.amount.minor());
    }
    if let Event::WithdrawalReversed(event) = event {
        money(totals, event.currency).withdrawn -= i128::from(event.amount.minor());
    }
}

/// Takes in how the payments ended.
pub(super) fn count_payments(totals: &mut Totals, payments: &Payments) {
    totals.payments = payments.totals();
    for (_, payment) in payments.iter() {
        if let Course::Completed { captured } = payment.course() {
            money(totals, payment.currency).captured += i128::from(captured.minor());
        }
    }
}

fn money(totals: &mut Totals, currency: Currency) -> &mut MoneyTotals {
    totals.money.entry(currency).or_default()
}
