//! The keys that have their charge: millions of them, of which any is looked for.
//!
//! A map grows by moving everything into a larger one: that took a second at two million keys, and
//! every call waited for it. So they are spread over many maps, of which one moves at a time.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::charge_book::KeyDigest;
use super::ground_truth::LinePosition;

/// How many maps. At the most keys that there may be, one has 20,000: moving them takes 1 ms.
const MAPS: usize = 1024;

/// A key with its charge.
#[derive(Debug)]
pub(super) struct SettledKey {
    pub(super) position: LinePosition,
    pub(super) submissions: u32,
}

type Map = HashMap<KeyDigest, SettledKey, RandomState>;

/// All keys with their charge.
#[derive(Debug)]
pub(super) struct SettledKeys {
    maps: Vec<Map>,
    len: usize,
}

impl Default for SettledKeys {
    fn default() -> Self {
        Self { maps: (0..MAPS).map(|_| Map::default()).collect(), len: 0 }
    }
}

impl SettledKeys {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: KeyDigest) -> Option<&SettledKey> {
        self.maps[map_of(key)].get(&key)
    }

    pub(super) fn get_mut(&mut self, key: KeyDigest) -> Option<&mut SettledKey> {
        self.maps[map_of(key)].get_mut(&key)
    }

    pub(super) fn insert(&mut self, key: KeyDigest, settled: SettledKey) {
        let before = self.maps[map_of(key)].insert(key, settled);
        self.len += usize::from(before.is_none());
    }

    /// Forgets a key; says whether it was there.
    pub(super) fn remove(&mut self, key: KeyDigest) -> bool {
        let was_there = self.maps[map_of(key)].remove(&key).is_some();
        self.len -= usize::from(was_there);
        was_there
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &SettledKey> {
        self.maps.iter().flat_map(HashMap::values)
    }
}

/// The bits of a digest are evenly spread: some of them name the map.
fn map_of(key: KeyDigest) -> usize {
    usize::try_from(key % MAPS as u128).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::charge_book::digest;
    use super::*;

    #[test]
    fn keys_are_found_in_their_maps_and_spread_over_them() {
        let key = |number: usize| digest(&format!("payment-{number}"));
        let settled = || SettledKey { position: LinePosition::default(), submissions: 1 };
        let mut keys = SettledKeys::default();
        let count = 20 * MAPS;
        for number in 0..count {
            keys.insert(key(number), settled());
        }
        keys.insert(key(0), settled());
        assert_eq!((keys.len(), keys.values().count()), (count, count));
        let largest = keys.maps.iter().map(HashMap::len).max();
        assert!(largest < Some(60), "{largest:?} of {count} keys in one of {MAPS} maps");
        keys.get_mut(key(7)).expect("there").submissions = 3;
        assert_eq!(keys.get(key(7)).map(|settled| settled.submissions), Some(3));
        assert!(keys.remove(key(7)));
        assert!(!keys.remove(key(7)), "gone");
        assert!(keys.get(key(7)).is_none());
        assert_eq!(keys.len(), count - 1);
    }
}
