//! Where the journal ended when a follower began: everything before it is the past.

use std::collections::BTreeMap;

use schemas::{Offset, Partition};

/// The ends that a follower has not reached yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover(BTreeMap<Partition, Offset>);

impl Takeover {
    /// From the ends of all partitions and where the follower begins to read, in their order.
    pub fn new(ends: &[Offset], from: &[Offset]) -> Self {
        let ahead = (0..).zip(ends.iter().zip(from)).filter(|(_, (end, from))| end > from);
        Self(ahead.filter_map(|(at, (end, _))| Some((Partition::new(at)?, *end))).collect())
    }

    /// Notes how far the follower is; whether it is past all ends. Stays so.
    pub fn reached(&mut self, reached: &[(Partition, Offset)]) -> bool {
        for (partition, offset) in reached {
            if self.0.get(partition).is_some_and(|end| offset >= end) {
                self.0.remove(partition);
            }
        }
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_over_when_every_end_was_reached() {
        let partition = |number| Partition::new(number).expect("valid");
        let offset = |number| Offset::new(number).expect("valid");
        let mut takeover =
            Takeover::new(&[offset(10), offset(3), offset(5)], &[offset(0), offset(3), offset(1)]);
        assert!(!takeover.reached(&[]));
        assert!(!takeover.reached(&[(partition(0), offset(9)), (partition(2), offset(7))]));
        assert!(takeover.reached(&[(partition(0), offset(10))]));
        assert!(takeover.reached(&[]));
        assert!(Takeover::new(&[Offset::ZERO], &[Offset::ZERO]).reached(&[]));
    }
}
