//! A ratio as Go prints it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A fraction between 0 and 1. Whole numbers serialize without a point (`0`, not `0.0`), as Go's encoder
/// does, so that a spec comes back as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

// Parsed from JSON, which has no NaN: equality is total.
impl Eq for Ratio {}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 1e9 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}
