//! Image names, in Docker's normal form: `nginx` is `docker.io/library/nginx:latest`.

use std::fmt;

/// An image's name, complete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Host and port of the registry.
    pub registry: String,
    /// Path in it.
    pub repository: String,
    /// Tag, if named.
    pub tag: Option<String>,
    /// Digest, if named: it wins over the tag.
    pub digest: Option<String>,
}

/// The registry of plain names.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";

impl Reference {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = |why: &str| format!("invalid image name \"{text}\": {why}");
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if let Some(digest) = digest {
            let hex = digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(invalid("a digest is sha256: and 64 hexadecimal digits"));
            }
        }
        let (path, tag) = match rest.rsplit_once(':') {
            // A colon before a slash belongs to a port.
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if tag.is_empty() || tag.len() > 128 || !tag.chars().all(fits) || tag.starts_with(['.', '-']) {
                return Err(invalid("a tag has up to 128 letters, digits, '.', '_' and '-'"));
            }
        }
        let (registry, repository) = match path.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            Some(_) => (DEFAULT_REGISTRY, path.to_owned()),
            None => (DEFAULT_REGISTRY, format!("library/{path}")),
        };
        let registry = if registry == "index.docker.io" {
            DEFAULT_REGISTRY
        } else {
            registry
        };
        let part = |part: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
            !part.is_empty() && part.chars().all(fits) && !part.starts_with(['.', '-', '_'])
        };
        if repository.len() > 255 || !repository.split('/').all(part) {
            return Err(invalid(
                "a repository has lower-case letters, digits, '.', '_', '-' and '/'",
            ));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// What is asked of the registry: the digest, or the tag.
    pub fn version(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// As people write it: `nginx:1.10` for `docker.io/library/nginx:1.10`.
    pub fn familiar(&self) -> String {
        let name = match self.registry.as_str() {
            DEFAULT_REGISTRY => self
                .repository
                .strip_prefix("library/")
                .unwrap_or(&self.repository)
                .to_owned(),
            other => format!("{other}/{}", self.repository),
        };
        match (&self.tag, &self.digest) {
            (_, Some(digest)) => format!("{name}@{digest}"),
            (Some(tag), None) => format!("{name}:{tag}"),
            (None, None) => format!("{name}:latest"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.digest.is_some() { '@' } else { ':' };
        write!(
            out,
            "{}/{}{separator}{}",
            self.registry,
            self.repository,
            self.version()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.10", "docker.io/library/nginx:1.10"),
            ("me/app", "docker.io/me/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("10.0.0.1:5000/app:1", "10.0.0.1:5000/app:1"),
            ("ghcr.io/a/b/c", "ghcr.io/a/b/c:latest"),
            (
                &format!("nginx:1@{digest}"),
                &format!("docker.io/library/nginx@{digest}"),
            ),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), full, "{text}");
        }
        assert_eq!(
            Reference::parse("docker.io/library/nginx").unwrap().familiar(),
            "nginx:latest"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "UPPER",
            "a b",
            "a:",
            "a@sha256:1",
            "a//b",
            "-a",
            ":1",
            "a:b c",
            "a/../b",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
