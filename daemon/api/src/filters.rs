//! `?filters={"name":{"web":true}}`, or the older `{"name":["web"]}`.

use crate::Error;
use crate::query::Query;
use model::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// What lists are filtered by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(BTreeMap<String, BTreeSet<String>>);

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Values {
    Map(BTreeMap<String, bool>),
    List(Vec<String>),
}

impl Filters {
    /// Reads them; only the keys in `known` are allowed.
    ///
    /// # Errors
    /// 400 for what is not a filter, or one that is not known.
    pub fn read(query: &Query, known: &[&str]) -> Result<Self, Error> {
        let Some(text) = query.text("filters") else {
            return Ok(Self::default());
        };
        let read: BTreeMap<String, Values> = serde_json::from_str(text)
            .map_err(|error| Error::Invalid(format!("invalid filters: {error}")))?;
        let mut filters = BTreeMap::new();
        for (key, values) in read {
            if !known.contains(&key.as_str()) {
                return Err(Error::Invalid(format!("invalid filter '{key}'")));
            }
            let values = match values {
                Values::Map(map) => map
                    .into_iter()
                    .filter(|(_, set)| *set)
                    .map(|(value, _)| value)
                    .collect(),
                Values::List(list) => list.into_iter().collect(),
            };
            filters.insert(key, values);
        }
        Ok(Self(filters))
    }

    /// True if there is no such filter, or one of its values fits.
    pub fn any(&self, key: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.0
            .get(key)
            .is_none_or(|values| values.is_empty() || values.iter().any(|value| fits(value)))
    }

    /// True if all values (`name` or `name=value`) are among the labels.
    pub fn labels(&self, key: &str, labels: &Labels) -> bool {
        self.0.get(key).is_none_or(|values| {
            values.iter().all(|wanted| match wanted.split_once('=') {
                Some((name, value)) => labels.get(name).is_some_and(|known| known == value),
                None => labels.contains_key(wanted),
            })
        })
    }

    /// The values of a filter.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Filters, Error> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("filters", text)
            .finish();
        Filters::read(&Query::read(Some(&query)), &["name", "label"])
    }

    #[test]
    fn both_forms_are_read() {
        let map = read(r#"{"name":{"web":true,"db":false}}"#).unwrap();
        assert_eq!(map, read(r#"{"name":["web"]}"#).unwrap());
        assert!(map.any("name", |value| value == "web"));
        assert!(!map.any("name", |value| value == "db"));
    }

    #[test]
    fn unknown_and_broken_filters_are_refused() {
        assert_eq!(
            read(r#"{"nam":{"web":true}}"#).unwrap_err().to_string(),
            "invalid filter 'nam'"
        );
        for text in ["[", "3", r#"{"name":3}"#, r#"{"name":{"web":3}}"#] {
            assert!(matches!(read(text), Err(Error::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn labels_fit_by_name_or_value() {
        let labels = [("a".to_owned(), "1".to_owned())].into();
        assert!(read(r#"{"label":["a"]}"#).unwrap().labels("label", &labels));
        assert!(read(r#"{"label":["a=1"]}"#).unwrap().labels("label", &labels));
        assert!(!read(r#"{"label":["a=2"]}"#).unwrap().labels("label", &labels));
    }
}
