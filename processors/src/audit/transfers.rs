//! Check `transfers`: what one wallet sends the other gets, once, or the sender gets it back.
//!
//! The receiver's entry comes before the sender's last one, in time. Where the receiver's partition
//! was read up to that time, it must be there.

use std::collections::BTreeMap;

use schemas::entry::Entry;
use schemas::event::Event;
use schemas::{
    Amount, Currency, Partition, PartitionCount, Position, Timestamp, TransferId, WalletId,
};

use super::Check;
use super::report::CheckResult;

pub(super) struct Transfers {
    partitions: PartitionCount,
    sent: BTreeMap<TransferId, Sent>,
    received: BTreeMap<TransferId, Received>,
    /// The time of the latest entry of each partition.
    read_until: BTreeMap<Partition, Timestamp>,
    result: CheckResult,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Terms {
    from: WalletId,
    to: WalletId,
    amount: Amount,
    currency: Currency,
}

struct Sent {
    terms: Terms,
    stands: Stands,
    ended: Option<(Position, Timestamp)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Requested,
    Held,
    Completed,
    Failed,
}

struct Received {
    terms: Terms,
    is_credited: bool,
}

impl Transfers {
    pub(super) fn new(partitions: PartitionCount) -> Self {
        let meaning = "every transfer is held, credited and posted once and in this order, with \
                       the same money, or refused and voided; a receiver decides once";
        Self {
            partitions,
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            read_until: BTreeMap::new(),
            result: CheckResult::new("transfers", meaning),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.sent.len() as u64
    }

    fn stepped(
        &mut self,
        position: Position,
        id: TransferId,
        from: &[Stands],
        to: Stands,
        at: Timestamp,
    ) {
        self.result.examine();
        let Some(sent) = self.sent.get_mut(&id) else {
            self.result.violated(position, format!("transfer {id} was never requested"));
            return;
        };
        if !from.contains(&sent.stands) {
            let detail = format!("transfer {id} goes from {:?} to {to:?}", sent.stands);
            self.result.violated(position, detail);
        }
        sent.stands = to;
        match to {
            Stands::Completed | Stands::Failed => sent.ended = Some((position, at)),
            Stands::Requested | Stands::Held => {}
        }
    }

    fn received(&mut self, position: Position, id: TransferId, received: Received) {
        self.result.examine();
        if received.terms.to.shard(self.partitions) != position.partition {
            self.result.violated(position, format!("transfer {id} is received elsewhere"));
        }
        if self.received.insert(id, received).is_some() {
            self.result.violated(position, format!("transfer {id} is received again"));
        }
    }
}

impl Check for Transfers {
    fn observe(&mut self, position: Position, entry: &Entry) {
        self.read_until.insert(position.partition, entry.at);
        let at = entry.at;
        for event in &entry.events {
            if let Event::TransferRequested(event) = event {
                let (from, to) = (event.wallet_id, event.to_wallet_id);
                let (amount, currency) = (event.amount, event.currency);
                let terms = Terms { from, to, amount, currency };
                let sent = Sent { terms, stands: Stands::Requested, ended: None };
                if self.sent.insert(event.transfer_id, sent).is_some() {
                    let detail = format!("transfer {} is requested again", event.transfer_id);
                    self.result.violated(position, detail);
                }
            }
            if let Event::TransferHeld(event) = event {
                let id = event.transfer_id;
                self.stepped(position, id, &[Stands::Requested], Stands::Held, at);
            }
            if let Event::TransferCompleted(event) = event {
                let id = event.transfer_id;
                self.stepped(position, id, &[Stands::Held], Stands::Completed, at);
            }
            if let Event::TransferFailed(event) = event {
                let from = [Stands::Requested, Stands::Held];
                self.stepped(position, event.transfer_id, &from, Stands::Failed, at);
            }
            if let Event::TransferCredited(event) = event {
                let (from, to) = (event.from_wallet_id, event.wallet_id);
                let (amount, currency) = (event.amount, event.currency);
                let terms = Terms { from, to, amount, currency };
                let received = Received { terms, is_credited: true };
                self.received(position, event.transfer_id, received);
            }
            if let Event::TransferRefused(event) = event {
                let (from, to) = (event.from_wallet_id, event.wallet_id);
                let (amount, currency) = (event.amount, event.currency);
                let terms = Terms { from, to, amount, currency };
                let received = Received { terms, is_credited: false };
                self.received(position, event.transfer_id, received);
            }
        }
    }

    fn conclude(&mut self) {
        for (id, sent) in &self.sent {
            let received = self.received.get(id);
            if received.is_some_and(|received| received.terms != sent.terms) {
                self.result.violated(None, format!("transfer {id} arrived as another"));
            }
            let Some((position, ended)) = sent.ended else { continue };
            let shard = sent.terms.to.shard(self.partitions);
            let is_read = self.read_until.get(&shard).is_some_and(|until| *until >= ended);
            let fits = match (sent.stands, received) {
                (Stands::Completed, None) => !is_read,
                (Stands::Completed, Some(received)) => received.is_credited,
                (Stands::Failed, Some(received)) => !received.is_credited,
                (Stands::Failed, None) | (Stands::Requested | Stands::Held, _) => true,
            };
            if !fits {
                let detail =
                    format!("transfer {id} ended as {:?} otherwise than it arrived", sent.stands);
                self.result.violated(position, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
