//! Times and durations as specs write them.

use jiff::SignedDuration;
use model::Timestamp;

/// `time` later by `duration`; the end of time if there is none so late.
pub(crate) fn after(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// A duration of a spec, which is in nanoseconds; less than nothing counts as nothing.
pub(crate) fn nanos(value: Option<i64>, default: SignedDuration) -> SignedDuration {
    value.map_or(default, |value| SignedDuration::from_nanos(value.max(0)))
}

/// `5 s`, `1 min 20 s`, `0.5 s`.
pub(crate) fn in_words(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let tenths = duration.subsec_millis() / 100;
    match (seconds / 60, seconds % 60) {
        (0, seconds) if tenths > 0 => format!("{seconds}.{tenths} s"),
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_words() {
        for (millis, words) in [
            (5_000, "5 s"),
            (500, "0.5 s"),
            (0, "0 s"),
            (80_000, "1 min 20 s"),
            (300_000, "5 min"),
        ] {
            assert_eq!(in_words(SignedDuration::from_millis(millis)), words);
        }
    }

    #[test]
    fn a_duration_below_nothing_is_nothing_and_time_does_not_overflow() {
        assert_eq!(
            nanos(Some(-5), SignedDuration::from_secs(1)),
            SignedDuration::ZERO
        );
        assert_eq!(
            nanos(None, SignedDuration::from_secs(1)),
            SignedDuration::from_secs(1)
        );
        assert_eq!(
            after(Timestamp::MAX, SignedDuration::from_secs(1)),
            Timestamp::MAX
        );
    }
}
