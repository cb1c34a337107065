//! Who may come in: the limits of what is under way, each refused at once when it is reached.
//!
//! Everybody passes the door. Of those inside, only a part may wait: for decisions of the ledger,
//! and for ends of payments. So however slow the ledger or a gateway is, there is room for whoever
//! only looks: GETs, and repetitions of requests that were decided.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use schemas::{ErrorCode, WalletId};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::ApiOptions;
use super::headers::Wait;

/// The part of those inside who may wait for a decision.
const UNDECIDED_SHARE: usize = 2;
/// The part of those inside who may wait, because they prefer to, for the end of a payment. With
/// the share above it leaves a quarter for whoever only looks.
const PATIENT_SHARE: usize = 4;

/// The limits of one process.
pub(super) struct Admission {
    door: Semaphore,
    undecided: Semaphore,
    patient: Semaphore,
    wallet_limit: usize,
    wallets: Mutex<HashMap<WalletId, usize>>,
}

/// A request that may wait for its decision, while this lives.
pub(super) struct Admitted<'a> {
    admission: &'a Admission,
    wallet: WalletId,
    _permit: SemaphorePermit<'a>,
}

impl Admission {
    pub fn new(options: &ApiOptions) -> Self {
        let share = |part: usize| Semaphore::new((options.in_flight_limit / part).max(1));
        Self {
            door: share(1),
            undecided: share(UNDECIDED_SHARE),
            patient: share(PATIENT_SHARE),
            wallet_limit: options.wallet_in_flight_limit,
            wallets: Mutex::default(),
        }
    }

    /// Lets a request in.
    pub fn through_the_door(&self) -> Result<SemaphorePermit<'_>, ErrorCode> {
        self.door.try_acquire().map_err(|_| ErrorCode::Overloaded)
    }

    /// Lets a request of this wallet wait for its decision.
    pub fn undecided(&self, wallet: WalletId) -> Result<Admitted<'_>, ErrorCode> {
        let permit = self.undecided.try_acquire().map_err(|_| ErrorCode::Overloaded)?;
        let mut wallets = self.wallets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = wallets.entry(wallet).or_default();
        if *count >= self.wallet_limit {
            return Err(ErrorCode::TooManyInFlight);
        }
        *count += 1;
        drop(wallets);
        Ok(Admitted { admission: self, wallet, _permit: permit })
    }

    /// The caller's preference, and the permit to follow it; the preference is ignored when too
    /// many wait already.
    pub fn patience(&self, wait: Wait) -> (Wait, Option<SemaphorePermit<'_>>) {
        if wait.seconds().is_none() {
            return (wait, None);
        }
        match self.patient.try_acquire() {
            Ok(permit) => (wait, Some(permit)),
            Err(_) => (Wait::NONE, None),
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut wallets = self.admission.wallets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut found) = wallets.entry(self.wallet) {
            *found.get_mut() -= 1;
            if *found.get() == 0 {
                found.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Profile;

    fn admission(in_flight: usize, of_a_wallet: usize) -> Admission {
        let mut options = ApiOptions::new(Profile::Dev);
        options.in_flight_limit = in_flight;
        options.wallet_in_flight_limit = of_a_wallet;
        Admission::new(&options)
    }

    fn wallet(number: u8) -> WalletId {
        WalletId::from_bytes([number; 16])
    }

    #[test]
    fn a_wallet_has_its_limit_and_leaves_nothing_behind() {
        let admission = admission(100, 2);
        let first = admission.undecided(wallet(1)).expect("room");
        let second = admission.undecided(wallet(1)).expect("room");
        let third = admission.undecided(wallet(1)).map(|_| ());
        assert_eq!(third, Err(ErrorCode::TooManyInFlight));
        let other = admission.undecided(wallet(2)).expect("another wallet has its own");
        drop(first);
        let again = admission.undecided(wallet(1)).expect("room again");
        drop((second, other, again));
        assert!(admission.wallets.lock().expect("nobody panicked").is_empty());
        assert_eq!(admission.undecided.available_permits(), 50);
    }

    #[test]
    fn those_who_wait_leave_room_for_those_who_look() {
        let admission = admission(8, 100);
        let doors: Vec<_> = (0..8).map(|_| admission.through_the_door().expect("room")).collect();
        assert_eq!(admission.through_the_door().map(|_| ()), Err(ErrorCode::Overloaded));
        drop(doors);
        let waiting: Vec<_> =
            (0..4).map(|number| admission.undecided(wallet(number)).expect("room")).collect();
        assert_eq!(admission.undecided(wallet(9)).map(|_| ()), Err(ErrorCode::Overloaded));
        drop(waiting);
        assert!(admission.undecided(wallet(9)).is_ok());
    }
}
