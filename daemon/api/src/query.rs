//! Query strings, read strictly: a number that is none is an error, not a default.

use crate::Error;
use std::collections::BTreeMap;

/// A query string's values; of a key given twice the first counts, as in Go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub fn read(query: Option<&str>) -> Self {
        let mut values = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            values
                .entry(key.into_owned())
                .or_insert_with(|| value.into_owned());
        }
        Self(values)
    }

    /// A value; empty counts as absent.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// True for anything but `0`, `false`, `no`, `none` and nothing (Docker's `BoolValue`).
    pub fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|value| {
            !matches!(
                value.trim().to_lowercase().as_str(),
                "0" | "no" | "false" | "none"
            )
        })
    }

    /// An object's version.
    ///
    /// # Errors
    /// 400 if it is absent or not a number.
    pub fn version(&self) -> Result<model::Version, Error> {
        let text = self.text("version").unwrap_or_default();
        let index = text
            .parse()
            .map_err(|_| Error::Invalid(format!("invalid version '{text}': a number is needed")))?;
        Ok(model::Version { index })
    }

    /// A point in time: seconds with a fraction, or RFC 3339. `0` is none.
    ///
    /// # Errors
    /// 400 if it is neither.
    pub fn time(&self, key: &str) -> Result<Option<model::Timestamp>, Error> {
        let Some(text) = self.text(key).filter(|text| *text != "0") else {
            return Ok(None);
        };
        let invalid = || {
            Error::Invalid(format!(
                "invalid {key} '{text}': seconds since 1970, or a time in RFC 3339"
            ))
        };
        if let Ok(time) = text.parse() {
            return Ok(Some(time));
        }
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let seconds: i64 = seconds.parse().map_err(|_| invalid())?;
        let nanos: i32 = digits.parse().map_err(|_| invalid())?;
        model::Timestamp::new(seconds, nanos)
            .map(Some)
            .map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let query = Query::read(Some("a=1700000000.5&b=2024-01-01T00:00:00Z&c=soon&d=0"));
        assert_eq!(
            query.time("a").unwrap().unwrap().to_string(),
            "2023-11-14T22:13:20.5Z"
        );
        assert_eq!(
            query.time("b").unwrap().unwrap().to_string(),
            "2024-01-01T00:00:00Z"
        );
        assert!(query.time("c").is_err());
        assert_eq!(query.time("d").unwrap(), None);
    }

    #[test]
    fn flags_are_as_dockers() {
        let query = Query::read(Some("a=1&b=false&c=&d=True&e=0"));
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(|key| query.flag(key)),
            [true, false, false, true, false, false]
        );
    }
}
