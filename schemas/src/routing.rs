//! Which shard a wallet lives on: Java's default partitioner over the wallet id.
//!
//! `shard = (murmur2(wallet id as UTF-8) & 0x7fffffff) % partitions`. A Java producer that uses the
//! wallet id as record key lands there by itself; librdkafka clients need
//! `partitioner=murmur2_random`, because librdkafka's own default is CRC32.

use crate::{Partition, PartitionCount};

/// The seed of Kafka's murmur2 (`org.apache.kafka.common.utils.Utils`).
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// Kafka's 32-bit murmur2 of `bytes`.
pub fn murmur2(bytes: &[u8]) -> u32 {
    let length = u32::try_from(bytes.len()).expect("a key is shorter than 4 GiB");
    let mut hash = SEED ^ length;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut word = [0; 4];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u32::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

/// The shard of a key with this murmur2, of so many.
pub fn shard_of_hash(hash: u32, count: PartitionCount) -> Partition {
    let positive = i32::try_from(hash & 0x7fff_ffff).expect("the sign bit is cleared");
    Partition::new(positive % count.get()).expect("a remainder of positives is positive")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by the Java client itself; see `avro/golden/routing.tsv` for how.
    #[test]
    fn agrees_with_the_java_client() {
        let count = PartitionCount::try_from(24).expect("valid");
        let mut rows = 0;
        for line in include_str!("../avro/golden/routing.tsv").lines() {
            if line.starts_with('#') {
                continue;
            }
            let mut columns = line.split('\t');
            let key = columns.next().expect("key");
            let hash: i32 = columns.next().expect("hash").parse().expect("a number");
            let partition: i32 = columns.next().expect("partition").parse().expect("a number");
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key:?}");
            assert_eq!(shard_of_hash(hash.cast_unsigned(), count).number(), partition, "{key:?}");
            rows += 1;
        }
        assert!(rows >= 10, "the golden table has rows");
    }
}
