//! The file that `docker context import` takes: a tar with `meta.json` and the three files of TLS.

use serde_json::json;
use std::io::Write;

/// What a context holds.
pub(crate) struct Bundle<'a> {
    pub name: &'a str,
    pub description: &'a str,
    /// Such as `tcp://10.0.0.11:2376`.
    pub host: &'a str,
    /// PEM, all three.
    pub root: &'a str,
    pub certificate: &'a str,
    pub key: &'a str,
}

impl Bundle<'_> {
    /// Writes the tar.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, into: impl Write) -> std::io::Result<()> {
        let meta = json!({
            "Name": self.name,
            "Metadata": { "Description": self.description },
            "Endpoints": { "docker": { "Host": self.host, "SkipTLSVerify": false } },
        });
        let mut tar = tar::Builder::new(into);
        for (path, content) in [
            ("meta.json", meta.to_string().as_str()),
            ("tls/docker/ca.pem", self.root),
            ("tls/docker/cert.pem", self.certificate),
            ("tls/docker/key.pem", self.key),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
            header.set_mode(0o600);
            tar.append_data(&mut header, path, content.as_bytes())?;
        }
        tar.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_docker_looks_for() {
        let mut file = Vec::new();
        let bundle = Bundle {
            name: "home",
            description: "Bramble",
            host: "tcp://10.0.0.1:2376",
            root: "root",
            certificate: "certificate",
            key: "key",
        };
        bundle.write(&mut file).unwrap();
        let mut archive = tar::Archive::new(file.as_slice());
        let paths: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(
            paths,
            [
                "meta.json",
                "tls/docker/ca.pem",
                "tls/docker/cert.pem",
                "tls/docker/key.pem"
            ]
        );
    }
}
