//! Folds events and balances into wallet rows and statement lines.

use schemas::account::{Account, Balances, Layer, Posting};
use schemas::entry::Entry;
use schemas::event::Event;
use schemas::read_model::{
    StatementKind, StatementLine, WalletLimits, WalletMovement, WalletRow, WalletStatus,
};
use schemas::{Amount, Position, WalletId};

use super::{ReadRows, RowChanges, missing};
use crate::state::StateError;

pub(super) fn fold_event(
    rows: &dyn ReadRows,
    changes: &mut RowChanges,
    event: &Event,
    entry: &Entry,
    position: Position,
) -> Result<(), StateError> {
    if let Event::WalletOpened(opened) = event {
        changes.wallets.push(WalletRow {
            id: opened.wallet_id,
            user_id: opened.user_id.clone(),
            currency: opened.currency,
            label: opened.label.clone(),
            status: WalletStatus::Active,
            limits: WalletLimits::default(),
            balances: Balances::default(),
            version: 0,
            created_at: entry.at,
            updated_at: entry.at,
            position,
        });
        // So that whoever asks for the numbers at a time finds that there were none before.
        changes.movements.push(WalletMovement {
            wallet_id: opened.wallet_id,
            position,
            at: entry.at,
            balances: Balances::default(),
            line: None,
        });
    }
    let status = match event {
        Event::WalletFrozen(event) => Some((event.wallet_id, WalletStatus::Frozen)),
        Event::WalletUnfrozen(event) => Some((event.wallet_id, WalletStatus::Active)),
        Event::WalletClosed(event) => Some((event.wallet_id, WalletStatus::Closed)),
        _ => None,
    };
    if let Some((id, status)) = status {
        let row = WalletRow { status, ..row_of(rows, id)? };
        changes.wallets.push(WalletRow { updated_at: entry.at, position, ..row });
    }
    if let Event::LimitsSet(event) = event {
        let limits = WalletLimits {
            per_payment: event.per_payment,
            per_day: event.per_day,
            in_flight: event.in_flight,
        };
        let row = WalletRow { limits, ..row_of(rows, event.wallet_id)? };
        changes.wallets.push(WalletRow { updated_at: entry.at, position, ..row });
    }
    Ok(())
}

fn row_of(rows: &dyn ReadRows, id: WalletId) -> Result<WalletRow, StateError> {
    rows.wallet(id)?.ok_or_else(|| missing(format_args!("wallet {id}")))
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
            None => row_of(rows, id)?,
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
    let kind = entry.events.iter().find_map(kind)?;
    let (payment, transfer) = match kind {
        StatementKind::Payment(id) | StatementKind::Refund(id, _) => {
            (changes.payments.iter().map(|change| &change.row).find(|row| row.id == id), None)
        }
        StatementKind::TransferOut(id) => (None, changes.transfers.iter().find(|row| row.id == id)),
        StatementKind::Deposit(_)
        | StatementKind::Withdrawal(_)
        | StatementKind::DepositReversal(_)
        | StatementKind::WithdrawalReversal(_)
        | StatementKind::TransferIn(_) => (None, None),
    };
    let description = match (payment, transfer) {
        (Some(row), _) => row.description.clone(),
        (None, Some(row)) => row.description.clone(),
        (None, None) => None,
    };
    let known = payment.map(|row| &row.correlation_id);
    let known = known.or_else(|| transfer.map(|row| &row.correlation_id));
    Some(StatementLine {
        kind,
        side: posting.side,
        amount,
        currency: posting.currency,
        description,
        correlation_id: known.map_or_else(|| entry.correlation_id().to_owned(), Clone::clone),
    })
}

/// What moved posted money of a wallet, if the event says so.
fn kind(event: &Event) -> Option<StatementKind> {
    Some(match event {
        Event::DepositRecorded(event) => StatementKind::Deposit(event.deposit_id),
        Event::WithdrawalRecorded(event) => StatementKind::Withdrawal(event.withdrawal_id),
        Event::DepositReversed(event) => StatementKind::DepositReversal(event.deposit_id),
        Event::WithdrawalReversed(event) => StatementKind::WithdrawalReversal(event.withdrawal_id),
        Event::PaymentCompleted(event) => StatementKind::Payment(event.payment_id),
        Event::RefundSucceeded(event) => StatementKind::Refund(event.payment_id, event.refund_id),
        Event::TransferCredited(event) => StatementKind::TransferIn(event.transfer_id),
        Event::TransferCompleted(event) => StatementKind::TransferOut(event.transfer_id),
        _ => return None,
    })
}
