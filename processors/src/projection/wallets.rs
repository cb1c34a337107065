//! Folds events and balances into wallet rows, deposits and statement lines.

use schemas::account::{Account, Layer, Posting};
use schemas::entry::Entry;
use schemas::event::Event;
use schemas::read_model::{DepositRow, StatementKind, StatementLine, WalletMovement, WalletRow};
use schemas::{Amount, Money, Position, WalletId};

use super::{ReadRows, RowChanges};
use crate::state::StateError;

pub(super) fn fold_event(
    changes: &mut RowChanges,
    event: &Event,
    entry: &Entry,
    position: Position,
) {
    match event {
        Event::WalletOpened(opened) => changes.wallets.push(WalletRow {
            id: opened.wallet_id,
            user_id: opened.user_id.clone(),
            currency: opened.currency,
            label: opened.label.clone(),
            balances: schemas::account::Balances::default(),
            version: 0,
            created_at: entry.at,
            updated_at: entry.at,
            position,
        }),
        Event::DepositRecorded(event) => changes.deposits.push(DepositRow {
            id: event.deposit_id,
            wallet_id: event.wallet_id,
            money: Money::new(event.amount, event.currency),
            rail: event.rail.clone(),
            reference: event.reference.clone(),
            balance_after: balance_after(entry, event.wallet_id),
            fingerprint: event.fingerprint,
            correlation_id: entry.correlation_id().to_owned(),
            created_at: entry.at,
            position,
        }),
        Event::PaymentRequested(_)
        | Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::AttemptStarted(_)
        | Event::GatewayOperationRequested(_)
        | Event::GatewayOperationAnswered(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::PaymentCompleted(_)
        | Event::PaymentFailed(_)
        | Event::DiscrepancyRecorded(_) => {}
    }
}

fn balance_after(entry: &Entry, wallet: WalletId) -> i64 {
    let account = Account::Wallet(wallet);
    let row = entry.balances.iter().find(|row| row.account == account);
    row.map_or(0, |row| row.balances().posted())
}

pub(super) fn fold_balances(
    rows: &dyn ReadRows,
    changes: &mut RowChanges,
    entry: &Entry,
    position: Position,
) -> Result<(), StateError> {
    for balance in &entry.balances {
        let Account::Wallet(id) = balance.account else { continue };
        let opened = changes.wallets.iter().position(|row| row.id == id);
        let mut row = match opened {
            Some(at) => changes.wallets.swap_remove(at),
            None => rows
                .wallet(id)?
                .ok_or_else(|| StateError::Contradiction(format!("wallet {id} has no row")))?,
        };
        row.balances = balance.balances();
        row.version = balance.version;
        row.updated_at = entry.at;
        row.position = position;
        changes.wallets.push(row);
        changes.movements.push(WalletMovement {
            wallet_id: id,
            position,
            at: entry.at,
            balances: balance.balances(),
            line: line(changes, entry, id),
        });
    }
    Ok(())
}

/// The statement line of an entry that moved posted money of this wallet.
fn line(changes: &RowChanges, entry: &Entry, wallet: WalletId) -> Option<StatementLine> {
    let account = Account::Wallet(wallet);
    let moved = |posting: &&Posting| posting.account == account && posting.layer == Layer::Posted;
    let posting = entry.postings.iter().find(moved)?;
    let amount = Amount::try_from(posting.amount).ok()?;
    let kind = entry.events.iter().find_map(|event| match event {
        Event::DepositRecorded(event) => Some(StatementKind::Deposit(event.deposit_id)),
        Event::PaymentCompleted(event) => Some(StatementKind::Payment(event.payment_id)),
        Event::WalletOpened(_)
        | Event::PaymentRequested(_)
        | Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::AttemptStarted(_)
        | Event::GatewayOperationRequested(_)
        | Event::GatewayOperationAnswered(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::PaymentFailed(_)
        | Event::DiscrepancyRecorded(_) => None,
    })?;
    let payment = match kind {
        StatementKind::Payment(id) => changes.payments.iter().find(|row| row.id == id),
        StatementKind::Deposit(_) => None,
    };
    Some(StatementLine {
        kind,
        side: posting.side,
        amount,
        currency: posting.currency,
        description: payment.and_then(|row| row.description.clone()),
        correlation_id: payment
            .map_or_else(|| entry.correlation_id().to_owned(), |row| row.correlation_id.clone()),
    })
}
