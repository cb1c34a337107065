//! Random schedules that can be repeated.

/// Names the schedule to be run again, as a test that failed has printed it.
const SEED: &str = "HOLDFAST_TEST_SEED";

/// `SplitMix64`: the same seed gives the same schedule.
pub struct Random(u64);

impl Random {
    /// From the seed in `HOLDFAST_TEST_SEED`, or from a new one; says which.
    pub fn seeded() -> Self {
        let given = std::env::var(SEED).ok().filter(|text| !text.is_empty());
        let fresh = || uuid::Uuid::new_v4().as_u64_pair().0;
        let seed = given.map_or_else(fresh, |text| text.parse().expect("the seed is a number"));
        println!("repeat this schedule with {SEED}={seed}");
        Self(seed)
    }

    /// A number below this one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
