//! The registry on the switch: Debian's docker-registry, filled over its HTTP API.

use std::{collections::HashSet, fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};

use crate::{
    cgroups::Group,
    clock::wait_for,
    docker::on_path,
    http::{Request, Response},
    images::Image,
    net::{self, REGISTRY, SWITCH},
    paths::Name,
    place::Place,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Starts the registry and returns when it answers.
pub(crate) fn start(lab: &Name) -> Result<()> {
    let dir = lab.dir().join("registry");
    fs::create_dir_all(&dir)?;
    let config = lab.dir().join("registry.yml");
    // JSON is YAML, and needs no thought about what stands in a path.
    let text = serde_json::json!({
        "version": 0.1,
        "log": { "level": "warn", "accesslog": { "disabled": true } },
        "storage": { "filesystem": { "rootdirectory": dir }, "delete": { "enabled": true } },
        // Named only so that the registry does not complain that it had to make one up.
        "http": { "addr": REGISTRY, "secret": "lab" },
    });
    fs::write(&config, text.to_string())?;
    let place = place(lab)?;
    place.group.create()?;
    let program = on_path("docker-registry").context("no docker-registry: run `cargo lab setup`")?;
    place.start(&program, &["serve".as_ref(), config.as_os_str()])?;
    wait_for("the registry's answer", PATIENCE, || {
        Ok(Some(ask(lab, Request::new("GET", REGISTRY, "/v2/"))?.ok()?))
    })
    .map(drop)
    .with_context(|| format!("see {}", place.log.display()))
}

/// Puts images into the lab's empty registry, under their own names.
pub(crate) fn fill(lab: &Name, images: &[Image]) -> Result<()> {
    // The registry would log a question for what it lacks as an error, so we remember what it has.
    let mut pushed = HashSet::new();
    images.iter().try_for_each(|image| push(lab, image, &mut pushed))
}

fn push<'a>(lab: &Name, image: &'a Image, pushed: &mut HashSet<(&'a str, &'a str)>) -> Result<()> {
    let repository = &image.repository;
    let blobs = image.layers.iter().chain([&image.config]);
    for digest in blobs.filter(|digest| pushed.insert((repository, digest))) {
        push_blob(lab, repository, digest)
            .with_context(|| format!("cannot push {digest} of {repository}"))?;
    }
    for (reference, kind, text) in [
        (
            image.manifest_digest.as_str(),
            "application/vnd.oci.image.manifest.v1+json",
            &image.manifest,
        ),
        (
            image.tag.as_str(),
            "application/vnd.oci.image.index.v1+json",
            &image.index,
        ),
    ] {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = Request::new("PUT", REGISTRY, &path).with(kind, text.as_bytes());
        ask(lab, request)?
            .ok()
            .with_context(|| format!("cannot push {repository}:{}", image.tag))?;
    }
    Ok(())
}

fn push_blob(lab: &Name, repository: &str, digest: &str) -> Result<()> {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let begun = ask(lab, Request::new("POST", REGISTRY, &path))?.ok()?;
    let location = begun.header("location").context("an upload without a location")?;
    let local = location
        .strip_prefix(&format!("http://{REGISTRY}"))
        .unwrap_or(location);
    let sign = if local.contains('?') { '&' } else { '?' };
    let path = format!("{local}{sign}digest={digest}");
    let body = fs::read(crate::images::blob(digest)).context("cannot read the blob")?;
    let done = ask(
        lab,
        Request::new("PUT", REGISTRY, &path).with("application/octet-stream", &body),
    )?;
    if done.status != 201 {
        bail!("status {}: {}", done.status, done.body);
    }
    Ok(())
}

/// Asks the registry from the switch, where it is.
pub(crate) fn ask(lab: &Name, request: Request<'_>) -> Result<Response> {
    let address: SocketAddr = (SWITCH, 5000).into();
    request.send(net::connect(&lab.switch(), address, PATIENCE)?)
}

fn place(lab: &Name) -> Result<Place> {
    Ok(Place {
        netns: lab.switch(),
        hostname: None,
        group: Group::new(lab, "switch")?,
        keeper: PathBuf::new(),
        log: lab.logs().join("registry.log"),
    })
}
