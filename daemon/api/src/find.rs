//! Finds an object by what a person typed: its id, its name, or the beginning of its id.

use crate::Error;
use model::{Config, Network, Node, Secret, Service, Task};

/// An object that can be found.
pub(crate) trait Named {
    /// What it is called in messages.
    const KIND: &'static str;
    fn id(&self) -> &str;
    fn name(&self) -> String;
}

impl Named for Node {
    const KIND: &'static str = "node";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn name(&self) -> String {
        self.description.hostname.clone()
    }
}

impl Named for Service {
    const KIND: &'static str = "service";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn name(&self) -> String {
        self.spec.name.clone()
    }
}

impl Named for Secret {
    const KIND: &'static str = "secret";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn name(&self) -> String {
        self.spec.name.clone()
    }
}

impl Named for Config {
    const KIND: &'static str = "config";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn name(&self) -> String {
        self.spec.name.clone()
    }
}

impl Named for Network {
    const KIND: &'static str = "network";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn name(&self) -> String {
        self.spec.name.clone()
    }
}

impl Named for Task {
    const KIND: &'static str = "task";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn name(&self) -> String {
        Task::name(self)
    }
}

/// Finds one; names go before beginnings of ids.
///
/// # Errors
/// 404 if there is none, 400 if there are several.
pub(crate) fn find<T: Named>(all: Vec<T>, wanted: &str) -> Result<T, Error> {
    let exact = all.iter().position(|object| object.id() == wanted);
    let at = match exact {
        Some(at) => at,
        None => {
            let matching = |fits: &dyn Fn(&T) -> bool| -> Vec<usize> {
                (0..all.len()).filter(|at| fits(&all[*at])).collect()
            };
            let mut found = matching(&|object| object.name() == wanted);
            if found.is_empty() && !wanted.is_empty() {
                found = matching(&|object| object.id().starts_with(wanted));
            }
            match found[..] {
                [at] => at,
                [] => return Err(Error::NotFound(format!("{} {wanted} not found", T::KIND))),
                _ => {
                    let count = found.len();
                    return Err(Error::Invalid(format!(
                        "{} {wanted} is ambiguous ({count} matches found)",
                        T::KIND
                    )));
                }
            }
        }
    };
    all.into_iter()
        .nth(at)
        .ok_or_else(|| Error::NotFound(format!("{} {wanted} not found", T::KIND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Vec<Service> {
        [("abc1", "web"), ("abd2", "db"), ("web3", "abd")]
            .map(|(id, name)| {
                let mut service = Service {
                    id: id.into(),
                    ..Service::default()
                };
                service.spec.name = name.into();
                service
            })
            .into()
    }

    #[test]
    fn id_then_name_then_beginning() {
        let found = |wanted| find(services(), wanted).map(|service| service.id.to_string());
        assert_eq!(found("abc1").unwrap(), "abc1");
        assert_eq!(found("web").unwrap(), "abc1");
        assert_eq!(found("abd").unwrap(), "web3");
        assert_eq!(found("abc").unwrap(), "abc1");
        assert_eq!(
            found("ab").unwrap_err().to_string(),
            "service ab is ambiguous (2 matches found)"
        );
        assert_eq!(found("x").unwrap_err().to_string(), "service x not found");
        assert!(found("").is_err());
    }
}
