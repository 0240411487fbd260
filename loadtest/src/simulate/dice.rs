//! Chance that can be had again: the same seed gives the same crowd, on any machine and with any version of any
//! library. (Distributions of a library for random numbers may change between its versions, so there is none here.)

/// Splitmix64: small, fast, and good enough for crowds.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice for one of many, independent of the others.
    pub(crate) fn of(seed: u64, which: u64) -> Self {
        Self(mix(seed ^ mix(which.wrapping_add(1))))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Evenly from 0 up to, not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly from 0 up to, not including, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A time after which something happens that happens by chance, once in `mean_ms` on the whole. At most 20
    /// times that.
    pub(crate) fn after_ms(&mut self, mean_ms: u64) -> u64 {
        whole(-(1.0 - self.unit()).max(2e-9).ln() * mean_ms as f64)
    }
}

/// The nearest whole number; not below 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from floats saturate")]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
