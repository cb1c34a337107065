//! Who does the gateway operations of a shard: claims, which stand in its journal.
//!
//! A follower that takes a shard over sends a claim through the ledger, and an operation is done by
//! the claimant whose claim stands before it, and by nobody else. As every follower reads the
//! journal in order, none can do an operation of a shard that it has lost, however late it wakes
//! up. A claimant is a state directory, which is locked: its earlier runs are dead, so it may send
//! again what they left, while it leaves alone what was asked of another directory, which may live.
//! What nobody does, the ledger's timers turn into an inquiry, which is asked of the new claimant.
//!
//! A claim goes through the topic of results, behind every result of an earlier run: once it is
//! back, what is still outstanding was not answered. It is the answer to no inquiry (its
//! `operation_seq` is 0), so the ledger refuses it, and its entry is the claim. What a gateway says
//! unasked has that sequence too, but is of another kind: nobody outside can write a claim.

use std::collections::BTreeMap;
use std::path::Path;

use schemas::entry::{Entry, InputBody, Verdict};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, GatewayResult};
use schemas::{
    GatewayName, OperationId, Partition, PartitionCount, PaymentId, Timestamp, WalletId,
};
use uuid::Uuid;

use super::outstanding::Outstanding;

/// No operation of a payment has this sequence: they are counted from 1.
const CLAIM_SEQ: i32 = 0;
/// A question, for what is said unasked is a notification.
const CLAIM_KIND: GatewayOperationKind = GatewayOperationKind::Inquire;

/// A follower: which state directory, and which run of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    directory: Uuid,
    run: Uuid,
}

impl Claim {
    /// A new run of the directory whose id this file holds; the file is written when it is missing.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn of_directory(path: &Path) -> std::io::Result<Self> {
        let known = std::fs::read_to_string(path).ok();
        let known = known.and_then(|text| Uuid::try_parse(text.trim()).ok());
        let directory = known.unwrap_or_else(Uuid::new_v4);
        if known.is_none() {
            std::fs::write(path, directory.to_string())?;
        }
        Ok(Self { directory, run: Uuid::new_v4() })
    }

    /// The state directory: what operations are asked of.
    pub fn directory(&self) -> Uuid {
        self.directory
    }

    /// The record that claims this shard, of so many.
    pub fn record(
        &self,
        gateway: &GatewayName,
        shard: Partition,
        count: PartitionCount,
        now: Timestamp,
    ) -> GatewayResult {
        let reason = format!("a gateway follower takes over shard {shard}");
        GatewayResult {
            wallet_id: routed_to(shard, count),
            payment_id: PaymentId::from_bytes(*self.directory.as_bytes()),
            operation_id: OperationId::from_bytes(*self.run.as_bytes()),
            operation_seq: CLAIM_SEQ,
            operation: CLAIM_KIND,
            gateway: gateway.clone(),
            outcome: GatewayOutcome::OutcomeUnknown { reason },
            evidence: None,
            notification_id: String::new(),
            observed_at: now,
            correlation_id: String::new(),
        }
    }

    /// The claim that this entry is, if it is one.
    pub fn stated_in(entry: &Entry) -> Option<Self> {
        let InputBody::GatewayResult(result) = &entry.input.body else { return None };
        let is_claim = result.operation_seq == CLAIM_SEQ
            && result.operation == CLAIM_KIND
            && entry.decision.verdict == Verdict::Refused;
        is_claim.then(|| Self {
            directory: Uuid::from_bytes(*result.payment_id.as_bytes()),
            run: Uuid::from_bytes(*result.operation_id.as_bytes()),
        })
    }
}

/// The id of no wallet that would be on this shard.
pub fn routed_to(shard: Partition, count: PartitionCount) -> WalletId {
    loop {
        let wallet = WalletId::from_bytes(*Uuid::new_v4().as_bytes());
        if wallet.shard(count) == shard {
            return wallet;
        }
    }
}

/// The shards of a follower, and which of them it has.
#[derive(Debug)]
pub struct Holdings {
    me: Claim,
    shards: BTreeMap<Partition, Holding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// The journal is being folded to the end that it had at the start.
    Folding,
    /// The claim is on its way.
    Claimed,
    /// Operations that appear are this follower's.
    Held,
}

/// What a claim in the journal means to a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing.
    Past,
    /// The shard is this follower's from here on.
    TakenOver,
    /// The shard was this follower's up to here.
    Superseded,
}

impl Holdings {
    /// Of a follower that has just started.
    pub fn new(me: Claim, shards: &[Partition]) -> Self {
        Self { me, shards: shards.iter().map(|shard| (*shard, Holding::Folding)).collect() }
    }

    /// Whether the shard is on the follower's list.
    pub fn includes(&self, shard: Partition) -> bool {
        self.shards.contains_key(&shard)
    }

    /// Whether operations that appear in this shard are this follower's.
    pub fn has(&self, shard: Partition) -> bool {
        self.shards.get(&shard) == Some(&Holding::Held)
    }

    /// The shards that it does not have yet.
    pub fn missing(&self) -> Vec<Partition> {
        let missing = self.shards.iter().filter(|(_, holding)| **holding != Holding::Held);
        missing.map(|(shard, _)| *shard).collect()
    }

    /// The fold has reached the end that the journal had at the start. Gives the shards to claim: a
    /// shard needs no new claim when its last one is this directory's and nothing is outstanding.
    pub fn folded(&mut self, outstanding: &Outstanding) -> Vec<Partition> {
        let directory = self.me.directory;
        let mut to_claim = Vec::new();
        for (shard, holding) in &mut self.shards {
            let is_quiet = outstanding.asked_of(*shard, directory).next().is_none();
            if outstanding.claimant(*shard) == Some(directory) && is_quiet {
                *holding = Holding::Held;
            } else {
                *holding = Holding::Claimed;
                to_claim.push(*shard);
            }
        }
        to_claim
    }

    /// Notes a claim that stands in the journal of a shard.
    pub fn note(&mut self, shard: Partition, claim: Claim) -> Meaning {
        let Some(holding) = self.shards.get_mut(&shard) else { return Meaning::Past };
        match *holding {
            Holding::Claimed if claim == self.me => {
                *holding = Holding::Held;
                Meaning::TakenOver
            }
            Holding::Held if claim.directory != self.me.directory => Meaning::Superseded,
            Holding::Folding | Holding::Claimed | Holding::Held => Meaning::Past,
        }
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
