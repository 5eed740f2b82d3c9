//! The JSON of images: indexes, manifests, configs (OCI's and Docker's, which differ in media types only).

use model::Platform;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is asked for.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A piece of content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    pub platform: Option<Target>,
}

/// Where an image of an index runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Target {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

/// An index or a manifest: which, its fields tell.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Manifest {
    pub media_type: String,
    pub manifests: Vec<Descriptor>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ImageConfig {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
    pub config: Defaults,
    pub rootfs: RootFs,
}

/// What a container of it is, where the task says nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Defaults {
    pub user: Option<String>,
    pub env: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub working_dir: Option<String>,
    pub stop_signal: Option<String>,
    /// Docker's own, not of the OCI.
    pub healthcheck: Option<model::HealthConfig>,
    /// What runs a line, if not `/bin/sh -c`.
    pub shell: Option<Vec<String>>,
    pub volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
}

/// Its layers, unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct RootFs {
    pub diff_ids: Vec<String>,
}

impl Target {
    /// How well it runs here: none if not at all, less is better.
    pub fn fits(&self, here: &Platform) -> Option<u32> {
        let (os, architecture) = here.normal();
        if self.os == os && (self.architecture.as_str(), architecture.as_str()) == ("arm", "arm64") {
            // A 64-bit board of this family runs what was built for its elders, if there is nothing better.
            let variant = self
                .variant
                .as_deref()
                .and_then(|text| text.strip_prefix('v')?.parse::<u32>().ok());
            return Some(u32::MAX - variant.unwrap_or(0).min(8));
        }
        if self.os != os || self.architecture != architecture {
            return None;
        }
        let number =
            |variant: Option<&str>| variant.and_then(|text| text.strip_prefix('v')?.parse::<u32>().ok());
        match (number(self.variant.as_deref()), number(here.variant.as_deref())) {
            // An ARM board runs its own variant and older ones; the newest of them is best.
            (Some(theirs), Some(ours)) if theirs > ours => None,
            (Some(theirs), Some(ours)) => Some(ours - theirs),
            _ => Some(0),
        }
    }
}

impl Manifest {
    /// True of an index.
    pub fn is_index(&self) -> bool {
        !self.manifests.is_empty()
    }

    /// The image of an index that runs here best.
    pub fn choose(&self, here: &Platform) -> Option<&Descriptor> {
        let fits =
            |descriptor: &&Descriptor| descriptor.platform.as_ref().and_then(|target| target.fits(here));
        self.manifests
            .iter()
            .filter(|descriptor| fits(descriptor).is_some())
            .min_by_key(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(architecture: &str, variant: Option<&str>) -> Platform {
        Platform {
            architecture: Some(architecture.into()),
            os: Some("linux".into()),
            variant: variant.map(Into::into),
        }
    }

    fn index() -> Manifest {
        serde_json::from_value(serde_json::json!({ "manifests": [
            { "digest": "6", "platform": { "os": "linux", "architecture": "arm", "variant": "v6" } },
            { "digest": "7", "platform": { "os": "linux", "architecture": "arm", "variant": "v7" } },
            { "digest": "8", "platform": { "os": "linux", "architecture": "arm64", "variant": "v8" } },
            { "digest": "x", "platform": { "os": "linux", "architecture": "amd64" } },
        ]}))
        .unwrap()
    }

    #[test]
    fn the_best_variant_is_chosen() {
        let chosen = |here| index().choose(&here).map(|descriptor| descriptor.digest.clone());
        assert_eq!(chosen(here("armv7l", Some("v7"))).unwrap(), "7");
        assert_eq!(chosen(here("armv6l", Some("v6"))).unwrap(), "6");
        assert_eq!(chosen(here("aarch64", None)).unwrap(), "8");
        assert_eq!(chosen(here("x86_64", None)).unwrap(), "x");
        let mut old = index();
        old.manifests.remove(2);
        assert_eq!(old.choose(&here("aarch64", None)).unwrap().digest, "7");
        assert_eq!(chosen(here("riscv64", None)), None);
    }
}
