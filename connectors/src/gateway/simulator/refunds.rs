//! Refunds: the book of what was given back, and how much of each charge that is.
//!
//! Refunds are booked as charges are, in a book and a file of their own: the same keys, claims,
//! replays and misbehaviours. Invariant: what is given back of a charge is never more than it took;
//! a refund that would be is declined.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::charge_book::{ChargeBook, Closed, Found, key_of};
use super::ground_truth::{Charge, ChargeStatus, GroundTruthError, REFUNDS_FILE_NAME};
use super::magic::Verdict;
use super::submission::ChargeRequest;

/// The decline code of a refund for which too little is left of the charge.
pub const EXCEEDS_CHARGE: &str = "refund_exceeds_charge";

/// The refunds; clones share them.
#[derive(Debug, Clone)]
pub struct Refunds {
    book: ChargeBook,
    /// By charge, in minor units: what was given back, and what is about to be.
    given_back: Arc<Mutex<HashMap<String, i64>>>,
}

impl Refunds {
    /// Opens the refunds in `state_dir`.
    pub fn open(state_dir: &Path) -> Result<(Self, Closed), GroundTruthError> {
        let mut given_back: HashMap<String, i64> = HashMap::new();
        let (book, closed) = ChargeBook::open_file((state_dir, REFUNDS_FILE_NAME), |refund| {
            if let (ChargeStatus::Succeeded, Some(charge)) = (refund.status, &refund.charge) {
                *given_back.entry(charge.clone()).or_default() += refund.amount;
            }
        })?;
        Ok((Self { book, given_back: Arc::new(Mutex::new(given_back)) }, closed))
    }

    /// Their book.
    pub fn book(&self) -> &ChargeBook {
        &self.book
    }

    /// The charge that `request` wants to give back, if it is there and this is of it.
    pub(super) fn charge_of(
        charges: &ChargeBook,
        request: &ChargeRequest,
    ) -> io::Result<Option<Charge>> {
        let Some(key) = request.charge.as_deref().and_then(key_of) else { return Ok(None) };
        let Found::Charge(charge) = charges.find(key)? else { return Ok(None) };
        let is_of_it = charge.status == ChargeStatus::Succeeded
            && charge.reference == request.reference
            && charge.currency == request.currency;
        Ok(is_of_it.then_some(*charge))
    }

    /// What is decided about a refund, where `verdict` would be; sets the amount aside if it is to
    /// be given back.
    pub(super) fn decide(&self, charge: &Charge, amount: i64, verdict: Verdict) -> Verdict {
        let Verdict::Succeeded = verdict else { return verdict };
        let mut given_back = self.given_back();
        let so_far = given_back.entry(charge.id.clone()).or_default();
        if amount > charge.amount - *so_far {
            return Verdict::Declined(EXCEEDS_CHARGE);
        }
        *so_far += amount;
        Verdict::Succeeded
    }

    /// Takes a decision back that could not be booked.
    pub(super) fn undo(&self, charge: &Charge, amount: i64, verdict: Verdict) {
        if let (Verdict::Succeeded, Some(so_far)) = (verdict, self.given_back().get_mut(&charge.id))
        {
            *so_far -= amount;
        }
    }

    fn given_back(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.given_back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
