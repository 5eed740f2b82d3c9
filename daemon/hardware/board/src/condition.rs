//! What readings mean: whether a board may get new tasks, and what a person should know. Pure.
//!
//! Verdicts have two thresholds, so that a reading that trembles around one of them doesn't tremble through the cluster.

use crate::readings::Readings;
use std::time::Duration;

/// A hot board is well again this much below where it was hot, in °C.
const COOLS_BY: f64 = 5.0;
/// Under-voltage comes and goes with the load: a board is trusted again after so long without.
const LATELY: Duration = Duration::from_secs(5 * 60);
/// The data partition is full with less than this, or with less than a twentieth if that is less; well again with twice as much.
const LITTLE: u64 = 256 << 20;

/// What keeps a board from getting new tasks, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ailment {
    /// Nothing can be written to its data partition.
    ReadOnly,
    /// Nothing is left of it.
    Full,
    /// Its supply gives too little.
    UnderVoltage,
    /// It is too hot.
    Hot,
}

impl Ailment {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Full => "full",
            Self::UnderVoltage => "under-voltage",
            Self::Hot => "hot",
        }
    }
}

/// How a board is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// Too hot, and how hot it is now.
    hot: Option<f64>,
    /// When the voltage was last too low, by the clock of [`judge`].
    low: Option<Duration>,
    /// Whether it is now.
    low_now: bool,
    full: Option<u64>,
    read_only: bool,
    notes: Vec<String>,
}

impl Condition {
    /// What is wrong, the worst first, each with a sentence for a person.
    pub fn ailments(&self) -> Vec<(Ailment, String)> {
        let mut found = Vec::new();
        if self.read_only {
            let text = "its data partition is read-only (the card may be worn out)";
            found.push((Ailment::ReadOnly, text.to_owned()));
        }
        if let Some(free) = self.full {
            let text = format!("its data partition is full: {} MB left", free >> 20);
            found.push((Ailment::Full, text));
        }
        if self.low.is_some() {
            let when = if self.low_now {
                "now"
            } else {
                "within the last 5 minutes"
            };
            let text = format!("under-voltage {when}: its power supply or cable is too weak");
            found.push((Ailment::UnderVoltage, text));
        }
        if let Some(celsius) = self.hot {
            found.push((Ailment::Hot, format!("hot: {celsius:.0} °C")));
        }
        found
    }

    /// Why the board is to get no new tasks; none if it may.
    pub fn refusal(&self) -> Option<(Ailment, String)> {
        let ailments = self.ailments();
        let worst = ailments.first()?.0;
        let texts: Vec<String> = ailments.into_iter().map(|(_, text)| text).collect();
        Some((worst, format!("{}; no new tasks", texts.join(", "))))
    }

    /// All that a person should know, a sentence each, the worst first.
    pub fn problems(&self) -> Vec<String> {
        let ailments = self.ailments().into_iter().map(|(_, text)| text);
        ailments.chain(self.notes.iter().cloned()).collect()
    }
}

/// What new readings mean after what was so before. `now` only ever goes forward (time since the daemon's start).
pub fn judge(readings: &Readings, now: Duration, before: &Condition) -> Condition {
    let low_now = readings.under_voltage == Some(true);
    Condition {
        hot: hot(readings, before),
        low: match before.low {
            _ if low_now => Some(now),
            low => low.filter(|low| now.saturating_sub(*low) < LATELY),
        },
        low_now,
        full: full(readings, before),
        read_only: readings.data_read_only == Some(true),
        notes: notes(readings),
    }
}

fn hot(readings: &Readings, before: &Condition) -> Option<f64> {
    let (celsius, from) = (readings.temperature_celsius?, readings.hot_from_celsius?);
    let limit = match before.hot {
        Some(_) => from - COOLS_BY,
        None => from,
    };
    (celsius >= limit).then_some(celsius)
}

fn full(readings: &Readings, before: &Condition) -> Option<u64> {
    let (total, free) = (readings.data_total_bytes?, readings.data_free_bytes?);
    let little = LITTLE.min(total / 20);
    let limit = match before.full {
        Some(_) => little.saturating_mul(2),
        None => little,
    };
    (free < limit).then_some(free)
}

/// What does no harm yet.
fn notes(readings: &Readings) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(errors) = readings.data_errors.filter(|errors| *errors > 0) {
        let s = if errors == 1 { "" } else { "s" };
        notes.push(format!(
            "the data partition's file system has {errors} error{s}: the card may be wearing out"
        ));
    }
    match readings.card_spare_level {
        Some(2) => {
            notes.push("four fifths of the card's spare blocks are used: have another ready".to_owned())
        }
        Some(3) => notes.push("the card's spare blocks are used up: replace it".to_owned()),
        _ => {}
    }
    if readings
        .card_life_used_percent
        .is_some_and(|percent| percent > 100)
    {
        notes.push("the card has been written to more than it was made for: replace it".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(celsius: f64) -> Readings {
        Readings {
            temperature_celsius: Some(celsius),
            hot_from_celsius: Some(80.0),
            ..Readings::default()
        }
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn hot_from_80_and_well_below_75() {
        let mut condition = Condition::default();
        let mut seen = Vec::new();
        for celsius in [79.9, 80.0, 82.4, 75.0, 79.0, 74.9, 79.9] {
            condition = judge(&at(celsius), seconds(0), &condition);
            seen.push(condition.refusal().map(|(_, text)| text));
        }
        let hot = |degrees: &str| Some(format!("hot: {degrees} °C; no new tasks"));
        assert_eq!(
            seen,
            [None, hot("80"), hot("82"), hot("75"), hot("79"), None, None]
        );
    }

    #[test]
    fn under_voltage_counts_for_five_minutes() {
        let low = |is| Readings {
            under_voltage: Some(is),
            ..Readings::default()
        };
        let now = judge(&low(true), seconds(10), &Condition::default());
        assert!(now.refusal().unwrap().1.starts_with("under-voltage now: "));
        let later = judge(&low(false), seconds(309), &now);
        assert!(
            later
                .refusal()
                .unwrap()
                .1
                .starts_with("under-voltage within the last 5 minutes: ")
        );
        assert_eq!(judge(&low(false), seconds(310), &later).refusal(), None);
    }

    #[test]
    fn a_full_partition_is_well_again_with_twice_as_much() {
        let left = |mib: u64| Readings {
            data_total_bytes: Some(32 << 30),
            data_free_bytes: Some(mib << 20),
            ..Readings::default()
        };
        let full = judge(&left(255), seconds(0), &Condition::default());
        assert_eq!(full.refusal().unwrap().0, Ailment::Full);
        let still = judge(&left(511), seconds(0), &full);
        assert_eq!(
            still.refusal().unwrap().1,
            "its data partition is full: 511 MB left; no new tasks"
        );
        assert_eq!(judge(&left(512), seconds(0), &still).refusal(), None);
        // A small partition is not always full.
        let small = Readings {
            data_total_bytes: Some(1 << 30),
            ..left(60)
        };
        assert_eq!(judge(&small, seconds(0), &Condition::default()).refusal(), None);
    }

    #[test]
    fn the_worst_comes_first_and_wear_is_only_told() {
        let readings = Readings {
            data_read_only: Some(true),
            data_errors: Some(1),
            card_spare_level: Some(3),
            ..at(85.0)
        };
        let condition = judge(&readings, seconds(0), &Condition::default());
        let (worst, text) = condition.refusal().unwrap();
        assert_eq!(worst, Ailment::ReadOnly);
        assert!(
            text.contains("read-only") && text.ends_with("hot: 85 °C; no new tasks"),
            "{text}"
        );
        assert_eq!(condition.problems().len(), 4);
        let worn = Readings {
            temperature_celsius: None,
            data_read_only: None,
            ..readings
        };
        let condition = judge(&worn, seconds(0), &Condition::default());
        assert_eq!((condition.refusal(), condition.problems().len()), (None, 2));
    }

    proptest! {
        /// Between the thresholds nothing changes; beyond them there is no doubt.
        #[test]
        fn nothing_flaps(celsius in prop::collection::vec(40.0..100.0f64, 1..50)) {
            let mut condition = Condition::default();
            for celsius in celsius {
                let next = judge(&at(celsius), seconds(0), &condition);
                let (was, is) = (condition.refusal().is_some(), next.refusal().is_some());
                prop_assert!(celsius < 80.0 || is);
                prop_assert!(celsius >= 75.0 || !is);
                prop_assert!(!(75.0..80.0).contains(&celsius) || was == is);
                condition = next;
            }
        }

        /// A board that knows nothing of itself is well, whatever was before.
        #[test]
        fn what_is_not_known_does_no_harm(celsius in 40.0..100.0f64, low: bool, read_only: bool) {
            let readings = Readings {
                under_voltage: Some(low),
                data_read_only: Some(read_only),
                ..at(celsius)
            };
            let before = judge(&readings, seconds(0), &Condition::default());
            prop_assert_eq!(judge(&Readings::default(), LATELY, &before), Condition::default());
        }
    }
}
