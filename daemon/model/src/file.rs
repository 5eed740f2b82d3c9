//! What tasks may read that is neither in their image nor on a volume: secrets, configs, registry credentials.

use crate::{ConfigId, SecretId, ServiceId, Task};

/// Which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKey {
    /// A secret's payload.
    Secret(SecretId),
    /// A config's payload.
    Config(ConfigId),
    /// What to show to the registry of a service's image: the `X-Registry-Auth` that the user sent.
    RegistryAuth(ServiceId),
}

impl FileKey {
    /// All that a task needs.
    pub fn of(task: &Task) -> impl Iterator<Item = Self> + '_ {
        let container = task.spec.container_spec.iter();
        let secrets = container.clone().flat_map(|spec| spec.secrets.iter().flatten());
        let configs = container.flat_map(|spec| spec.configs.iter().flatten());
        let auth = task
            .origin
            .registry_auth
            .then(|| Self::RegistryAuth(task.service_id.clone()));
        secrets
            .map(|used| Self::Secret(used.secret_id.clone()))
            .chain(configs.map(|used| Self::Config(used.config_id.clone())))
            .chain(auth)
    }
}

impl std::fmt::Display for FileKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(id) => write!(out, "secret/{id}"),
            Self::Config(id) => write!(out, "config/{id}"),
            Self::RegistryAuth(id) => write!(out, "registry-auth/{id}"),
        }
    }
}

/// A key of a kind that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file of an unknown kind: {0}")]
pub struct UnknownKind(String);

impl std::str::FromStr for FileKey {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text.split_once('/') {
            Some(("secret", id)) => Ok(Self::Secret(id.into())),
            Some(("config", id)) => Ok(Self::Config(id.into())),
            Some(("registry-auth", id)) => Ok(Self::RegistryAuth(id.into())),
            _ => Err(UnknownKind(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_wire() {
        for key in [
            FileKey::Secret("a".into()),
            FileKey::Config("b".into()),
            FileKey::RegistryAuth("c".into()),
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        assert!("volume/x".parse::<FileKey>().is_err());
    }
}
