//! Suspense: money whose owner or whose fate a person must decide. Nothing takes it out by itself
//! but the refund of the charge that put it there.

use schemas::account::{Account, Layer, Side};
use schemas::event::{Event, SuspenseBooked, SuspenseSubject};
use schemas::{Money, WalletId};

use crate::draft::Draft;

/// What a booking is about.
pub(crate) struct Booking {
    /// The wallet that it is about.
    pub wallet_id: WalletId,
    /// What it is about.
    pub subject: SuspenseSubject,
    /// The stable code of the kind.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

/// Books money on this side of the suspense account, against another one.
pub(crate) fn book(
    draft: &mut Draft,
    booking: Booking,
    against: &Account,
    side: Side,
    money: Money,
) {
    let (from, to) = match side {
        Side::Debit => (&Account::Suspense, against),
        Side::Credit => (against, &Account::Suspense),
    };
    draft.transfer(Layer::Posted, from, to, money);
    draft.event(Event::SuspenseBooked(SuspenseBooked {
        wallet_id: booking.wallet_id,
        subject: booking.subject,
        against: against.clone(),
        side,
        amount: money.amount(),
        currency: money.currency(),
        code: booking.code.to_owned(),
        detail: booking.detail,
    }));
}
