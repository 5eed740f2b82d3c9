//! Secrets and configs: what users deposit for tasks to read. Both follow the same rules, with other limits.

use super::Refusal;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use model::{
    Config, ConfigId, ConfigSpec, ContainerSpec, Driver, FileTarget, Labels, Meta, Secret, SecretId,
    SecretSpec, Service, Timestamp, Version,
};
use rand::Rng;
use state::{Transaction, View};
use std::collections::BTreeMap;

/// Swarm's limit of a name.
const NAME_LENGTH: usize = 64;

/// What secrets and configs have in common.
pub trait Deposit: Clone + Into<state::Object> + 'static {
    /// `secret` or `config`.
    const KIND: &'static str;
    /// Largest payload, in bytes (swarmkit's).
    const MOST: usize;
    /// What the user sends.
    type Spec: Clone;

    /// A new one.
    fn make(id: String, meta: Meta, spec: Self::Spec) -> Self;
    /// All that there are.
    fn all(view: &View) -> impl Iterator<Item = &Self>;
    /// Its identifier.
    fn id(&self) -> &str;
    /// Its version and times.
    fn meta(&mut self) -> &mut Meta;
    /// What the user sent.
    fn spec(&self) -> &Self::Spec;
    /// Its labels, to be changed.
    fn labels(&mut self) -> &mut Option<Labels>;
    /// Name, payload in base 64, driver, templating and labels of a spec.
    fn parts(spec: &Self::Spec) -> Parts<'_>;
    /// Ids of those that a container reads.
    fn used_by(container: &ContainerSpec) -> impl Iterator<Item = &str>;
}

/// What a spec says.
pub struct Parts<'a> {
    name: &'a str,
    data: Option<&'a str>,
    driver: Option<&'a Driver>,
    templating: Option<&'a Driver>,
    labels: &'a Option<Labels>,
}

impl Deposit for Secret {
    const KIND: &'static str = "secret";
    const MOST: usize = 500 << 10;
    type Spec = SecretSpec;

    fn make(id: String, meta: Meta, spec: SecretSpec) -> Self {
        let id = SecretId::from(id);
        Self { id, meta, spec }
    }
    fn all(view: &View) -> impl Iterator<Item = &Self> {
        view.secrets().map(AsRef::as_ref)
    }
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn spec(&self) -> &SecretSpec {
        &self.spec
    }
    fn labels(&mut self) -> &mut Option<Labels> {
        &mut self.spec.labels
    }
    fn parts(spec: &SecretSpec) -> Parts<'_> {
        Parts {
            name: &spec.name,
            data: spec.data.as_ref().map(|data| data.reveal().as_str()),
            driver: spec.driver.as_ref(),
            templating: spec.templating.as_ref(),
            labels: &spec.labels,
        }
    }
    fn used_by(container: &ContainerSpec) -> impl Iterator<Item = &str> {
        container
            .secrets
            .iter()
            .flatten()
            .map(|used| used.secret_id.as_str())
    }
}

impl Deposit for Config {
    const KIND: &'static str = "config";
    const MOST: usize = 1000 << 10;
    type Spec = ConfigSpec;

    fn make(id: String, meta: Meta, spec: ConfigSpec) -> Self {
        let id = ConfigId::from(id);
        Self { id, meta, spec }
    }
    fn all(view: &View) -> impl Iterator<Item = &Self> {
        view.configs().map(AsRef::as_ref)
    }
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn spec(&self) -> &ConfigSpec {
        &self.spec
    }
    fn labels(&mut self) -> &mut Option<Labels> {
        &mut self.spec.labels
    }
    fn parts(spec: &ConfigSpec) -> Parts<'_> {
        Parts {
            name: &spec.name,
            data: spec.data.as_deref(),
            driver: None,
            templating: spec.templating.as_ref(),
            labels: &spec.labels,
        }
    }
    fn used_by(container: &ContainerSpec) -> impl Iterator<Item = &str> {
        container
            .configs
            .iter()
            .flatten()
            .map(|used| used.config_id.as_str())
    }
}

fn find<'a, D: Deposit>(view: &'a View, id: &str) -> Result<&'a D, Refusal> {
    D::all(view)
        .find(|deposit| deposit.id() == id)
        .ok_or_else(|| Refusal::NotFound(format!("{} {id}", D::KIND)))
}

/// A new one; its id.
///
/// # Errors
/// [`Refusal`] if the spec can't be right or its name is taken.
pub fn create<D: Deposit>(
    view: &View,
    spec: D::Spec,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Result<(Transaction, String), Refusal> {
    let parts = D::parts(&spec);
    validate::<D>(&parts)?;
    if D::all(view).any(|other| D::parts(other.spec()).name == parts.name) {
        return Err(Refusal::Exists(format!(
            "{} {} already exists",
            D::KIND,
            parts.name
        )));
    }
    let id = SecretId::generate(rng).to_string();
    let mut transaction = Transaction::new();
    transaction.create(D::make(id.clone(), Meta::new(now), spec));
    Ok((transaction, id))
}

fn validate<D: Deposit>(parts: &Parts<'_>) -> Result<(), Refusal> {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let name = parts.name;
    if name.is_empty() {
        return Err(Refusal::invalid("name must be provided"));
    }
    if name.len() > NAME_LENGTH
        || !name.chars().all(|c| edge(c) || "-_.".contains(c))
        || !name.starts_with(edge)
        || !name.ends_with(edge)
    {
        return Err(Refusal::invalid(format!(
            "invalid name, only {NAME_LENGTH} [a-zA-Z0-9-_.] characters allowed, and the start and end character must be \
             [a-zA-Z0-9]"
        )));
    }
    if parts
        .driver
        .is_some_and(|driver| driver.name.as_deref().unwrap_or_default() != "")
    {
        return Err(Refusal::Unimplemented(
            "secrets from a plugin (--driver) can't be had here: there are no plugins".to_owned(),
        ));
    }
    let templating = parts.templating.and_then(|driver| driver.name.as_deref());
    if let Some(other) = templating.filter(|name| !matches!(*name, "" | "golang")) {
        return Err(Refusal::invalid(format!(
            "template driver {other} is not known: use golang"
        )));
    }
    let data = BASE64_STANDARD
        .decode(parts.data.unwrap_or_default())
        .map_err(|error| Refusal::invalid(format!("{} data is not base 64: {error}", D::KIND)))?;
    if data.is_empty() || data.len() > D::MOST {
        return Err(Refusal::invalid(format!(
            "{} data must be larger than 0 and less than {} bytes",
            D::KIND,
            D::MOST
        )));
    }
    Ok(())
}

/// Another set of labels; nothing else of it ever changes, so that tasks can rely on it.
///
/// # Errors
/// [`Refusal`] if it is gone or has moved on, or more than labels is to change.
pub fn update<D: Deposit>(
    view: &View,
    id: &str,
    version: Version,
    spec: &D::Spec,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    let mut changed = find::<D>(view, id)?.clone();
    if changed.meta().version != version {
        return Err(Refusal::OutOfSequence);
    }
    let (old, new) = (D::parts(changed.spec()), D::parts(spec));
    let other_data = new
        .data
        .is_some_and(|data| !data.is_empty() && Some(data) != old.data);
    let other_name = !new.name.is_empty() && new.name != old.name;
    if other_data || other_name {
        return Err(Refusal::invalid("only updates to Labels are allowed"));
    }
    let labels = new.labels.clone();
    *changed.labels() = labels;
    changed.meta().updated_at = now;
    let mut transaction = Transaction::new();
    transaction.update(changed);
    Ok(transaction)
}

/// It goes, unless a service uses it.
///
/// # Errors
/// [`Refusal`] if it is gone, or which services use it.
pub fn remove<D: Deposit>(view: &View, id: &str) -> Result<Transaction, Refusal> {
    let deposit = find::<D>(view, id)?;
    let uses = |service: &&Service| {
        let container = service.spec.task_template.container_spec.as_ref();
        container.is_some_and(|container| D::used_by(container).any(|used| used == id))
    };
    let users: Vec<&str> = view
        .services()
        .map(AsRef::as_ref)
        .filter(uses)
        .map(|service| service.spec.name.as_str())
        .collect();
    if !users.is_empty() {
        return Err(Refusal::invalid(format!(
            "{} '{}' is in use by the following {}: {}",
            D::KIND,
            D::parts(deposit.spec()).name,
            if users.len() == 1 { "service" } else { "services" },
            users.join(", ")
        )));
    }
    let mut transaction = Transaction::new();
    transaction.remove(deposit.clone());
    Ok(transaction)
}

/// Checks what a container's references say by themselves: complete, and no two at the same place.
///
/// # Errors
/// [`Refusal::Invalid`], in swarmkit's words.
pub fn references(container: &ContainerSpec) -> Result<(), Refusal> {
    let secrets = container.secrets.iter().flatten();
    distinct::<Secret>(secrets.map(|used| {
        let complete = !used.secret_id.is_empty() && !used.secret_name.is_empty();
        (used.secret_name.as_str(), complete, used.file.as_ref())
    }))?;
    let configs = container.configs.iter().flatten();
    if configs.clone().any(|used| used.runtime.is_some()) {
        return Err(Refusal::Unimplemented(
            "configs for the runtime (credential specs of Windows) can't be used here".to_owned(),
        ));
    }
    distinct::<Config>(configs.map(|used| {
        let complete = !used.config_id.is_empty() && !used.config_name.is_empty();
        (used.config_name.as_str(), complete, used.file.as_ref())
    }))
}

fn distinct<'a, D: Deposit>(
    references: impl Iterator<Item = (&'a str, bool, Option<&'a FileTarget>)>,
) -> Result<(), Refusal> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, complete, target) in references {
        if !complete {
            return Err(Refusal::invalid(format!("malformed {} reference", D::KIND)));
        }
        let Some(target) = target else {
            return Err(Refusal::invalid(format!(
                "malformed {} reference, no target provided",
                D::KIND
            )));
        };
        if target.name.is_empty() || target.name.contains('\0') {
            return Err(Refusal::invalid(format!(
                "malformed file {} reference, invalid target file name provided",
                D::KIND
            )));
        }
        for (what, number) in [("UID", &target.uid), ("GID", &target.gid)] {
            if !number.is_empty() && number.parse::<u32>().is_err() {
                return Err(Refusal::invalid(format!(
                    "{} reference {name}: {what} {number} is not a number",
                    D::KIND
                )));
            }
        }
        if let Some(other) = seen.insert(&target.name, name) {
            return Err(Refusal::invalid(format!(
                "{} references '{name}' and '{other}' have a conflicting target: '{}'",
                D::KIND,
                target.name
            )));
        }
    }
    Ok(())
}

/// Checks that all that a container refers to is there.
///
/// # Errors
/// [`Refusal::Invalid`] with the names of those that are not.
pub fn exist(view: &View, container: &ContainerSpec) -> Result<(), Refusal> {
    let secrets = container.secrets.iter().flatten();
    missing::<Secret>(
        secrets
            .filter(|used| view.secret(&used.secret_id).is_none())
            .map(|used| used.secret_name.as_str()),
    )?;
    let configs = container.configs.iter().flatten();
    missing::<Config>(
        configs
            .filter(|used| view.config(&used.config_id).is_none())
            .map(|used| used.config_name.as_str()),
    )
}

fn missing<'a, D: Deposit>(names: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Ok(());
    }
    let plural = if names.len() == 1 { "" } else { "s" };
    Err(Refusal::invalid(format!(
        "{}{plural} not found: {}",
        D::KIND,
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Hidden, SecretReference, ServiceId};

    fn spec(name: &str, bytes: usize) -> SecretSpec {
        SecretSpec {
            name: name.to_owned(),
            data: Some(Hidden::new(BASE64_STANDARD.encode(vec![7; bytes]))),
            ..SecretSpec::default()
        }
    }

    fn made(view: &View, spec: SecretSpec) -> Result<(View, String), Refusal> {
        let (transaction, id) = create::<Secret>(view, spec, Timestamp::UNIX_EPOCH, &mut rand::rng())?;
        Ok((view.apply(view.index() + 1, &transaction).unwrap(), id))
    }

    #[test]
    fn names_and_sizes_have_limits() {
        let view = View::default();
        assert!(made(&view, spec("a", Secret::MOST)).is_ok());
        for bad in [
            spec("", 1),
            spec("-a", 1),
            spec(&"a".repeat(65), 1),
            spec("a", 0),
            spec("a", Secret::MOST + 1),
        ] {
            assert!(matches!(made(&view, bad), Err(Refusal::Invalid(_))));
        }
        let (view, _) = made(&view, spec("a", 1)).unwrap();
        assert!(matches!(made(&view, spec("a", 1)), Err(Refusal::Exists(_))));
    }

    #[test]
    fn only_labels_change() {
        let (view, id) = made(&View::default(), spec("a", 1)).unwrap();
        let version = Version { index: 1 };
        let now = Timestamp::UNIX_EPOCH;
        let mut labels = spec("a", 1);
        labels.labels = Some(Labels::from([("k".to_owned(), "v".to_owned())]));
        let transaction = update::<Secret>(&view, &id, version, &labels, now).unwrap();
        let after = view.apply(2, &transaction).unwrap();
        let kept = after.secrets().next().unwrap();
        assert_eq!(kept.spec, labels);
        for other in [spec("a", 2), spec("b", 1)] {
            let refused = update::<Secret>(&view, &id, version, &other, now);
            assert!(matches!(refused, Err(Refusal::Invalid(_))));
        }
        let stale = update::<Secret>(&after, &id, version, &labels, now);
        assert_eq!(stale, Err(Refusal::OutOfSequence));
    }

    #[test]
    fn one_in_use_stays() {
        let (view, id) = made(&View::default(), spec("a", 1)).unwrap();
        let mut service = Service {
            id: ServiceId::from("s"),
            ..Service::default()
        };
        service.spec.name = "web".to_owned();
        service.spec.task_template.container_spec = Some(ContainerSpec {
            secrets: Some(vec![SecretReference {
                secret_id: id.as_str().into(),
                ..SecretReference::default()
            }]),
            ..ContainerSpec::default()
        });
        let used = view.apply(2, Transaction::new().create(service)).unwrap();
        let refusal = remove::<Secret>(&used, &id).unwrap_err();
        assert!(
            refusal
                .to_string()
                .ends_with("secret 'a' is in use by the following service: web")
        );
        assert!(remove::<Secret>(&view, &id).is_ok());
    }

    #[test]
    fn references_are_complete_and_apart() {
        let reference = |name: &str, target: Option<&str>| SecretReference {
            secret_id: name.into(),
            secret_name: name.to_owned(),
            file: target.map(|name| FileTarget {
                name: name.to_owned(),
                ..FileTarget::default()
            }),
        };
        let check = |all: Vec<SecretReference>| {
            references(&ContainerSpec {
                secrets: Some(all),
                ..ContainerSpec::default()
            })
        };
        assert!(check(vec![reference("a", Some("x")), reference("b", Some("y"))]).is_ok());
        assert!(check(vec![reference("a", Some("x")), reference("b", Some("x"))]).is_err());
        assert!(check(vec![reference("a", None)]).is_err());
        assert!(check(vec![reference("", Some("x"))]).is_err());
    }
}
