//! Decides legs of transfers: the receiver credits or refuses, the sender posts or voids.

use schemas::account::{Account, Layer};
use schemas::event::{Event, TransferCompleted, TransferCredited, TransferRefused};
use schemas::inputs::{LegBody, TransferLeg};
use schemas::read_model::WalletStatus;
use schemas::{ErrorCode, Money};

use super::state::{Phase, Receipt, ReceiptOutcome, Transfer};
use super::steps::{answer, set_timer};
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::ReadLedger;

/// Decides one leg.
pub(crate) fn leg(
    state: &dyn ReadLedger,
    leg: &TransferLeg,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    field::routed(leg.wallet_id, ctx)?;
    let addressee = match leg.body {
        LegBody::CreditAsked {} => leg.to_wallet_id,
        LegBody::CreditDone {} | LegBody::CreditRefused { .. } => leg.from_wallet_id,
    };
    if leg.wallet_id != addressee {
        let detail = "the leg is addressed to the wallet that it is not for";
        return Err(Rejection::because(ErrorCode::UnknownTransfer, detail).into());
    }
    match &leg.body {
        LegBody::CreditAsked {} => credit(state, leg),
        LegBody::CreditDone {} => settle(state, leg, None),
        LegBody::CreditRefused { code, message } => settle(state, leg, Some((code, message))),
    }
}

fn money_of(leg: &TransferLeg) -> Money {
    Money::new(leg.amount, leg.currency)
}

/// The receiver is asked. The same leg again gets the same answer again and moves nothing.
fn credit(state: &dyn ReadLedger, leg: &TransferLeg) -> Result<Draft, Refusal> {
    let mut draft = Draft::accepted();
    if let Some(known) = state.receipt(leg.transfer_id)? {
        let is_same = (known.from_wallet_id, known.wallet_id, known.money)
            == (leg.from_wallet_id, leg.to_wallet_id, money_of(leg));
        if !is_same {
            return Err(Rejection::of(ErrorCode::UnknownTransfer).into());
        }
        answer(&mut draft, leg, said(&known));
        return Ok(draft);
    }
    match refusal(state, leg)? {
        None => {
            let wallet = Account::Wallet(leg.to_wallet_id);
            draft.transfer(Layer::Posted, &Account::TransfersClearing, &wallet, money_of(leg));
            if !draft.fits(state)? {
                draft = Draft::accepted();
                refuse(&mut draft, leg, &Rejection::of(ErrorCode::AmountTooLarge));
                return Ok(draft);
            }
            draft.event(Event::TransferCredited(TransferCredited {
                transfer_id: leg.transfer_id,
                wallet_id: leg.to_wallet_id,
                from_wallet_id: leg.from_wallet_id,
                amount: leg.amount,
                currency: leg.currency,
                correlation_id: leg.correlation_id.clone(),
            }));
            answer(&mut draft, leg, LegBody::CreditDone {});
        }
        Some(rejection) => refuse(&mut draft, leg, &rejection),
    }
    Ok(draft)
}

fn refuse(draft: &mut Draft, leg: &TransferLeg, rejection: &Rejection) {
    let (code, message) = (rejection.code.code().to_owned(), rejection.detail.clone());
    draft.event(Event::TransferRefused(TransferRefused {
        transfer_id: leg.transfer_id,
        wallet_id: leg.to_wallet_id,
        from_wallet_id: leg.from_wallet_id,
        amount: leg.amount,
        currency: leg.currency,
        code: code.clone(),
        message: message.clone(),
    }));
    answer(draft, leg, LegBody::CreditRefused { code, message });
}

fn said(receipt: &Receipt) -> LegBody {
    match &receipt.outcome {
        ReceiptOutcome::Credited => LegBody::CreditDone {},
        ReceiptOutcome::Refused { code, message } => {
            LegBody::CreditRefused { code: code.clone(), message: message.clone() }
        }
    }
}

/// Why the receiver cannot have the money, if it cannot.
fn refusal(state: &dyn ReadLedger, leg: &TransferLeg) -> Result<Option<Rejection>, Refusal> {
    let wallet = state.wallet(leg.to_wallet_id)?.filter(|wallet| wallet.tenant == leg.tenant);
    let Some(wallet) = wallet else {
        return Ok(Some(field::wallet_missing(leg.to_wallet_id, &leg.tenant)));
    };
    if let Err(rejection) = field::same_currency(wallet.currency, leg.currency) {
        return Ok(Some(rejection));
    }
    Ok(match wallet.status {
        WalletStatus::Active => None,
        WalletStatus::Frozen => {
            Some(Rejection::because(ErrorCode::WalletFrozen, "the receiving wallet is frozen"))
        }
        WalletStatus::Closed => {
            Some(Rejection::because(ErrorCode::WalletClosed, "the receiving wallet is closed"))
        }
    })
}

/// The sender is told. Nothing can refuse this step: the receiver has moved, or never will.
fn settle(
    state: &dyn ReadLedger,
    leg: &TransferLeg,
    refused: Option<(&String, &String)>,
) -> Result<Draft, Refusal> {
    let unknown = || Rejection::of(ErrorCode::UnknownTransfer);
    let transfer = state.transfer(leg.transfer_id)?.ok_or_else(unknown)?;
    let is_same = (transfer.wallet_id, transfer.to_wallet_id, transfer.money)
        == (leg.from_wallet_id, leg.to_wallet_id, money_of(leg));
    if !is_same {
        return Err(unknown().into());
    }
    match (transfer.phase, refused) {
        (Phase::Held, _) => {}
        (Phase::Completed, None) | (Phase::Failed, Some(_)) => return Ok(Draft::replayed()),
        (Phase::Requested, _) | (Phase::Completed, Some(_)) | (Phase::Failed, None) => {
            return Err(unknown().into());
        }
    }
    let mut draft = Draft::accepted();
    let wallet = Account::Wallet(transfer.wallet_id);
    draft.release(&wallet, &Account::TransfersClearing, transfer.money);
    match refused {
        None => complete(&mut draft, &transfer, &wallet),
        Some((code, message)) => {
            draft.event(Event::TransferFailed(schemas::event::TransferFailed {
                transfer_id: transfer.id,
                wallet_id: transfer.wallet_id,
                code: code.clone(),
                message: message.clone(),
            }));
        }
    }
    set_timer(&mut draft, &transfer, None);
    Ok(draft)
}

fn complete(draft: &mut Draft, transfer: &Transfer, wallet: &Account) {
    draft.transfer(Layer::Posted, wallet, &Account::TransfersClearing, transfer.money);
    draft.event(Event::TransferCompleted(TransferCompleted {
        transfer_id: transfer.id,
        wallet_id: transfer.wallet_id,
        amount: transfer.money.amount(),
        currency: transfer.money.currency(),
    }));
}
