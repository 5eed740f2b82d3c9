//! Generic resources: things that a board has some of (`gpio=2`), or named ones (`camera=front`).

use model::{DiscreteResource, GenericResource, NamedResource};
use std::collections::{BTreeMap, BTreeSet};

/// What is left of a board's things, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stock {
    kinds: BTreeMap<String, Left>,
}

#[derive(Clone, Debug, Default)]
struct Left {
    named: BTreeSet<String>,
    counted: i64,
}

impl Stock {
    /// All that a board has.
    pub(crate) fn of(things: &[GenericResource]) -> Self {
        let mut stock = Self::default();
        for thing in things {
            if let Some(named) = &thing.named_resource_spec {
                stock
                    .kinds
                    .entry(named.kind.clone())
                    .or_default()
                    .named
                    .insert(named.value.clone());
            }
            if let Some(counted) = &thing.discrete_resource_spec {
                stock.kinds.entry(counted.kind.clone()).or_default().counted += counted.value;
            }
        }
        stock
    }

    /// True if all that a task was given is still there.
    pub(crate) fn holds(&self, things: &[GenericResource]) -> bool {
        things.iter().all(|thing| {
            let named = thing.named_resource_spec.as_ref().is_none_or(|named| {
                let left = self.kinds.get(&named.kind);
                left.is_some_and(|left| left.named.contains(&named.value))
            });
            let counted = thing.discrete_resource_spec.as_ref().is_none_or(|counted| {
                let left = self.kinds.get(&counted.kind);
                left.is_some_and(|left| left.counted >= counted.value)
            });
            named && counted
        })
    }

    /// Takes out what a task was given.
    pub(crate) fn claim(&mut self, things: &[GenericResource]) {
        for thing in things {
            if let Some(named) = &thing.named_resource_spec
                && let Some(left) = self.kinds.get_mut(&named.kind)
            {
                left.named.remove(&named.value);
            }
            if let Some(counted) = &thing.discrete_resource_spec
                && let Some(left) = self.kinds.get_mut(&counted.kind)
            {
                left.counted -= counted.value;
            }
        }
    }

    /// True if there is enough of each kind.
    pub(crate) fn has(&self, wanted: &[DiscreteResource]) -> bool {
        wanted.iter().all(|wanted| {
            let left = self.kinds.get(&wanted.kind);
            left.map_or(0, |left| left.counted.max(left.named.len() as i64)) >= wanted.value
        })
    }

    /// Takes and returns what is wanted, of which there must be enough ([`Self::has`]): names first.
    pub(crate) fn take(&mut self, wanted: &[DiscreteResource]) -> Vec<GenericResource> {
        let mut given = Vec::new();
        for wanted in wanted {
            let Some(left) = self.kinds.get_mut(&wanted.kind) else {
                continue;
            };
            if left.named.len() as i64 >= wanted.value {
                for value in (0..wanted.value).filter_map(|_| left.named.pop_first()) {
                    let named = NamedResource {
                        kind: wanted.kind.clone(),
                        value,
                    };
                    given.push(GenericResource {
                        named_resource_spec: Some(named),
                        ..GenericResource::default()
                    });
                }
            } else {
                left.counted -= wanted.value;
                given.push(GenericResource {
                    discrete_resource_spec: Some(wanted.clone()),
                    ..GenericResource::default()
                });
            }
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(kind: &str, value: i64) -> DiscreteResource {
        DiscreteResource {
            kind: kind.into(),
            value,
        }
    }

    fn camera(value: &str) -> GenericResource {
        let named = NamedResource {
            kind: "camera".into(),
            value: value.into(),
        };
        GenericResource {
            named_resource_spec: Some(named),
            ..GenericResource::default()
        }
    }

    #[test]
    fn named_things_are_given_by_name_and_counted_ones_by_number() {
        let gpio = GenericResource {
            discrete_resource_spec: Some(counted("gpio", 2)),
            ..Default::default()
        };
        let mut stock = Stock::of(&[camera("front"), camera("back"), gpio.clone()]);
        assert!(stock.has(&[counted("camera", 2), counted("gpio", 2)]));
        assert!(!stock.has(&[counted("camera", 3)]));
        assert!(!stock.has(&[counted("gpu", 1)]));
        assert_eq!(
            stock.take(&[counted("camera", 1), counted("gpio", 2)]),
            [camera("back"), gpio]
        );
        stock.claim(&[camera("front")]);
        assert!(!stock.has(&[counted("camera", 1)]));
        assert!(!stock.has(&[counted("gpio", 1)]));
    }
}
