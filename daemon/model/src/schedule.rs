//! When a job runs: the five fields of cron (`0 3 * * *`), with seconds before them if there are six, or `@hourly` and
//! its like; in UTC, or in the zone named before it (`CRON_TZ=Europe/Berlin 0 3 * * *`).
//!
//! Where clocks are set forward, a fixed time that is left out comes right after the gap; where they are set back, it
//! comes once.

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use std::cmp::Ordering;
use std::fmt;

/// Longest text that is read.
const LONGEST: usize = 256;

/// When a job runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: TimeZone,
}

/// Why a schedule can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It is not cron's syntax.
    #[error("'{0}' is no schedule such as '0 3 * * *' or '@hourly': {1}")]
    Syntax(String, String),
    /// A zone that is not in the database of time zones.
    #[error("'{0}' is no time zone such as Europe/Berlin")]
    Zone(String),
    /// A day that does not exist.
    #[error("'{0}' never comes")]
    Never(String),
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// [`ScheduleError`] if it can't be read or never comes.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let syntax = |problem: String| ScheduleError::Syntax(text.chars().take(LONGEST).collect(), problem);
        if text.len() > LONGEST {
            return Err(syntax(format!("it is longer than {LONGEST} characters")));
        }
        let named = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
        let (zone, fields) = match named {
            Some(named) => {
                let (name, fields) = named.split_once(char::is_whitespace).unwrap_or((named, ""));
                let zone = TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?;
                (zone, fields)
            }
            None => (TimeZone::UTC, text),
        };
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(fields).map_err(|error| syntax(error.to_string()))?;
        let schedule = Self {
            text: text.to_owned(),
            cron,
            zone,
        };
        // From a day in a leap year, so that the 29th of February is near.
        let from = Timestamp::from_second(1_700_000_000).unwrap_or_default();
        if schedule.after(from).is_none() {
            return Err(ScheduleError::Never(text.to_owned()));
        }
        Ok(schedule)
    }

    /// The first time after `time`; none if there is none before the end of time.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let from = Moment(time.to_zoned_datetime(self.zone.clone()));
        let next = self.cron.find_next_occurrence(&from, false).ok()?.0.timestamp();
        // Civil times know no parts of a second: what lies within this one is past.
        let whole = Timestamp::from_second(next.as_second()).ok()?;
        if whole > time { Some(whole) } else { None }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl fmt::Display for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// A moment in a time zone, as croner walks over them.
#[derive(Clone)]
struct Moment(ZonedDateTime);

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(
                date.year().into(),
                date.month().unsigned_abs().into(),
                date.day().unsigned_abs().into(),
            ),
            CivilTime::from_parts_unchecked(
                time.hour().unsigned_abs().into(),
                time.minute().unsigned_abs().into(),
                time.second().unsigned_abs().into(),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(days.unsigned_abs().into())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(civil_of(civil)?);
        let invalid = |_| CronError::InvalidTime;
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(Self(ambiguous.compatible().map_err(invalid)?))
            }
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(
                Self(ambiguous.clone().earlier().map_err(invalid)?),
                Self(ambiguous.later().map_err(invalid)?),
            ),
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
            .map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

fn civil_of(civil: CivilDateTime) -> Result<DateTime, CronError> {
    let small = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
    let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
    let (month, day) = (small(civil.month())?, small(civil.day())?);
    let (hour, minute, second) = (
        small(civil.hour())?,
        small(civil.minute())?,
        small(civil.second())?,
    );
    DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(text: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(text).unwrap();
        let mut time: Timestamp = from.parse().unwrap();
        (0..count)
            .map(|_| {
                time = schedule.after(time).unwrap();
                time.to_string()
            })
            .collect()
    }

    #[test]
    fn times_come_as_cron_has_them() {
        assert_eq!(
            times("0 3 * * *", "2026-02-27T03:00:00.5Z", 2),
            ["2026-02-28T03:00:00Z", "2026-03-01T03:00:00Z"]
        );
        assert_eq!(
            times("@hourly", "2026-01-01T00:00:00Z", 1),
            ["2026-01-01T01:00:00Z"]
        );
        assert_eq!(
            times("*/20 * * * * *", "2026-01-01T00:00:20Z", 1),
            ["2026-01-01T00:00:40Z"]
        );
        assert_eq!(
            times("0 0 29 2 *", "2026-01-01T00:00:00Z", 1),
            ["2028-02-29T00:00:00Z"]
        );
    }

    #[test]
    fn summer_and_winter_are_known() {
        assert_eq!(
            times("CRON_TZ=Europe/Berlin 0 3 * * *", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]
        );
        // 02:30 does not exist on the 29th: it comes right after the gap.
        assert_eq!(
            times("TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        // … and twice on the 25th of October, where it comes once.
        assert_eq!(
            times("TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "0 3 * *",
            "60 3 * * *",
            "at noon",
            "0 0 30 2 *",
            "TZ=Nowhere/Land 0 3 * * *",
            "TZ=Europe/Berlin",
            "0 3 * * * * 2027",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
        assert!(Schedule::parse(&"1".repeat(1_000)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_or_refused(text in "[@TZ=a-z0-9*/,# L-]{0,24}") {
            let from = Timestamp::from_second(1_800_000_000).unwrap();
            if let Ok(schedule) = Schedule::parse(&text) {
                prop_assert!(schedule.after(from).is_none_or(|next| next > from));
            }
        }
    }
}
