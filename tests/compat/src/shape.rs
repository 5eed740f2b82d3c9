//! The shape of JSON: which fields there are, and of which types, whatever they say.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Objects whose keys are data: what is in them is seen as one field, `*`.
const MAPS: [&str; 9] = [
    "Attributes",
    "Containers",
    "DriverOpts",
    "Labels",
    "Options",
    "Runtimes",
    "Services",
    "Sysctls",
    "IndexConfigs",
];

/// What several values have in common, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    kinds: BTreeSet<String>,
    /// Of objects; true if each one of them has it.
    fields: BTreeMap<String, (bool, Shape)>,
    /// Of arrays.
    items: Option<Box<Shape>>,
}

impl Shape {
    /// The shape of one value.
    pub fn of(value: &Value) -> Self {
        Self::named("", value)
    }

    fn named(name: &str, value: &Value) -> Self {
        let mut shape = Self::default();
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(items) => {
                for item in items {
                    let item = Self::of(item);
                    match &mut shape.items {
                        Some(known) => known.merge(item),
                        None => shape.items = Some(Box::new(item)),
                    }
                }
                "array"
            }
            Value::Object(fields) if MAPS.contains(&name) => {
                let mut values = fields.values().map(Self::of);
                if let Some(mut all) = values.next() {
                    values.for_each(|one| all.merge(one));
                    shape.fields.insert("*".to_owned(), (false, all));
                }
                "object"
            }
            Value::Object(fields) => {
                let field = |(name, value)| (String::clone(name), (true, Self::named(name, value)));
                shape.fields = fields.iter().map(field).collect();
                "object"
            }
        };
        shape.kinds.insert(kind.to_owned());
        shape
    }

    /// Adds what another value has.
    pub fn merge(&mut self, other: Self) {
        let (mine, theirs) = (self.kinds.contains("object"), other.kinds.contains("object"));
        if mine && theirs {
            for (name, (always, _)) in &mut self.fields {
                *always &= other.fields.contains_key(name);
            }
        }
        for (name, (always, shape)) in other.fields {
            match self.fields.get_mut(&name) {
                Some((known, all)) => {
                    *known &= always;
                    all.merge(shape);
                }
                None => {
                    self.fields.insert(name, (always && !mine, shape));
                }
            }
        }
        match (&mut self.items, other.items) {
            (Some(known), Some(items)) => known.merge(*items),
            (known @ None, items) => *known = items,
            (Some(_), None) => {}
        }
        self.kinds.extend(other.kinds);
    }

    /// How `self`, which is ours, differs from what was recorded: one line each.
    pub fn differences(&self, recorded: &Self) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(recorded, "", &mut found);
        found
    }

    fn walk(&self, recorded: &Self, path: &str, found: &mut Vec<String>) {
        let list = |kinds: &BTreeSet<String>| kinds.iter().cloned().collect::<Vec<_>>().join(" or ");
        if !self.kinds.is_subset(&recorded.kinds) {
            let place = if path.is_empty() { "the body" } else { path };
            found.push(format!(
                "{place} is {}, not {}",
                list(&self.kinds),
                list(&recorded.kinds)
            ));
        }
        if self.kinds.contains("object") && recorded.kinds.contains("object") {
            for (name, (always, shape)) in &recorded.fields {
                match self.fields.get(name) {
                    Some((_, ours)) => ours.walk(shape, &format!("{path}.{name}"), found),
                    None if *always => found.push(format!("{path}.{name} is missing")),
                    None => {}
                }
            }
            let new = self
                .fields
                .keys()
                .filter(|name| !recorded.fields.contains_key(*name));
            found.extend(new.map(|name| format!("{path}.{name} is new")));
        }
        if let (Some(ours), Some(theirs)) = (&self.items, &recorded.items) {
            ours.walk(theirs, &format!("{path}[]"), found);
        }
    }

    /// As it is kept in a file: `"null|string"`, `{"Name": …, "Perhaps?": …}`, `[…]`, or `{"|": […]}` of several of these.
    pub fn to_json(&self) -> Value {
        let scalars: Vec<&str> = self
            .kinds
            .iter()
            .map(String::as_str)
            .filter(|kind| !matches!(*kind, "object" | "array"))
            .collect();
        let mut all = Vec::new();
        if !scalars.is_empty() {
            all.push(Value::String(scalars.join("|")));
        }
        if self.kinds.contains("object") {
            let field = |(name, (always, shape)): (&String, &(bool, Self))| {
                let mark = if *always { "" } else { "?" };
                (format!("{name}{mark}"), shape.to_json())
            };
            all.push(Value::Object(
                self.fields.iter().map(field).collect::<Map<_, _>>(),
            ));
        }
        if self.kinds.contains("array") {
            all.push(Value::Array(
                self.items.iter().map(|items| items.to_json()).collect(),
            ));
        }
        if all.len() == 1 {
            return all.remove(0);
        }
        json!({ "|": all })
    }

    /// Reads what [`Shape::to_json`] made.
    pub fn from_json(kept: &Value) -> Self {
        let mut shape = Self::default();
        match kept {
            Value::String(kinds) => shape.kinds.extend(kinds.split('|').map(str::to_owned)),
            Value::Array(items) => {
                shape.kinds.insert("array".to_owned());
                shape.items = items.first().map(|item| Box::new(Self::from_json(item)));
            }
            Value::Object(fields) => match fields.get("|").and_then(Value::as_array) {
                Some(all) => {
                    for one in all.iter().map(Self::from_json) {
                        shape.kinds.extend(one.kinds);
                        shape.fields.extend(one.fields);
                        shape.items = shape.items.or(one.items);
                    }
                }
                None => {
                    shape.kinds.insert("object".to_owned());
                    let field = |(name, kept): (&String, &Value)| {
                        let (name, always) = match name.strip_suffix('?') {
                            Some(name) => (name, false),
                            None => (name.as_str(), true),
                        };
                        (name.to_owned(), (always, Self::from_json(kept)))
                    };
                    shape.fields = fields.iter().map(field).collect();
                }
            },
            _ => {}
        }
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Value]) -> Shape {
        let mut all = Shape::of(&values[0]);
        values[1..].iter().for_each(|value| all.merge(Shape::of(value)));
        all
    }

    #[test]
    fn fields_types_and_what_is_missing_are_told() {
        let recorded = of(&[
            json!({"A": 1, "B": {"C": [{"D": null}]}, "E": "x"}),
            json!({"A": 2, "B": null}),
        ]);
        let ours = of(&[json!({"A": "1", "B": {"C": [{"F": 1}]}, "G": true})]);
        assert_eq!(
            ours.differences(&recorded),
            [
                ".A is string, not number",
                ".B.C[].D is missing",
                ".B.C[].F is new",
                ".G is new",
            ]
        );
        assert!(recorded.differences(&recorded).is_empty());
    }

    #[test]
    fn keys_that_are_data_are_not_compared() {
        let (one, other) = (
            of(&[json!({"Labels": {"a": "1"}})]),
            of(&[json!({"Labels": {"b": "2"}})]),
        );
        assert!(one.differences(&other).is_empty());
    }

    #[test]
    fn what_is_kept_comes_back() {
        let shape = of(&[
            json!([{"A": 1}, {"A": null, "B": {"C": []}}, "x"]),
            json!({"Labels": {"k": 1}}),
        ]);
        assert_eq!(Shape::from_json(&shape.to_json()), shape);
    }
}
