//! `docker images`, `docker image inspect` and `docker history`.

use super::{choose, familiar, find, repository};
use crate::Error;
use crate::filters::Filters;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use model::{LocalContainer, LocalImage, Timestamp};
use serde_json::{Value, json};

const KNOWN: [&str; 6] = ["before", "dangling", "label", "reference", "since", "until"];

/// `GET /images/json`
pub(super) async fn list(State(front): State<Front>, uri: Uri) -> Result<Json<Value>, Error> {
    let filters = Filters::read(&query(&uri), &KNOWN)?;
    let all = front.backend.images().await?;
    let place = |key: &str| {
        let named = filters.values(key).next();
        named
            .map(|name| choose(all.clone(), name).map(|image| image.created))
            .transpose()
    };
    let (before, since, until) = (place("before")?, place("since")?, until(&filters)?);
    let dangling = dangling(&filters)?;
    let shown = |image: &&LocalImage| {
        before.is_none_or(|before| image.created < before)
            && since.is_none_or(|since| image.created > since)
            && until.is_none_or(|until| image.created.is_none_or(|created| created < until))
            && dangling.is_none_or(|wanted| wanted == is_dangling(image))
            && filters.labels("label", &image.labels)
            && filters.any("reference", |pattern| {
                image.tags.iter().any(|tag| matches(pattern, tag))
            })
    };
    Ok(Json(
        all.iter().filter(shown).map(|image| summary(image, -1)).collect(),
    ))
}

/// `dangling=true` or `false`.
pub(super) fn dangling(filters: &Filters) -> Result<Option<bool>, Error> {
    filters
        .values("dangling")
        .next()
        .map(|value| match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(Error::Invalid(format!("invalid filter 'dangling={other}'"))),
        })
        .transpose()
}

/// `until=24h`, a time in RFC 3339, or seconds since 1970.
pub(super) fn until(filters: &Filters) -> Result<Option<Timestamp>, Error> {
    let Some(text) = filters.values("until").next() else {
        return Ok(None);
    };
    let invalid = || Error::Invalid(format!("invalid filter 'until={text}'"));
    if let Ok(time) = text.parse() {
        return Ok(Some(time));
    }
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).map(Some).map_err(|_| invalid());
    }
    let mut seconds = 0u64;
    let mut number = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(invalid()),
        };
        let count: u64 = number.parse().map_err(|_| invalid())?;
        seconds = count
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(invalid)?;
        number.clear();
    }
    let ago = i64::try_from(seconds).map_err(|_| invalid())?;
    if !number.is_empty() {
        return Err(invalid());
    }
    Timestamp::from_second(Timestamp::now().as_second().saturating_sub(ago))
        .map(Some)
        .map_err(|_| invalid())
}

/// True of an image that has no name at all.
pub(super) fn is_dangling(image: &LocalImage) -> bool {
    image.tags.is_empty() && image.digests.is_empty()
}

/// `*` stands for anything but a slash; a pattern without a tag fits all tags.
fn matches(pattern: &str, tag: &str) -> bool {
    fn fits(pattern: &[u8], text: &[u8]) -> bool {
        // Where to go on if what follows the last star does not fit: no recursion, whatever the pattern.
        let (mut p, mut t, mut star) = (0, 0, None);
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == text[t] || *c == b'?' => (p, t) = (p + 1, t + 1),
                _ => match star {
                    Some((at, from)) if text[from] != b'/' => {
                        star = Some((at, from + 1));
                        (p, t) = (at + 1, from + 1);
                    }
                    _ => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == b'*')
    }
    let pattern = ["docker.io/library/", "docker.io/", "library/"]
        .iter()
        .find_map(|host| pattern.strip_prefix(host))
        .unwrap_or(pattern);
    fits(pattern.as_bytes(), tag.as_bytes()) || fits(pattern.as_bytes(), repository(tag).as_bytes())
}

/// A line of `docker images`.
pub(crate) fn summary(image: &LocalImage, containers: i64) -> Value {
    json!({
        "Containers": containers,
        "Created": image.created.map_or(0, Timestamp::as_second),
        "Id": image.id,
        "Labels": if image.labels.is_empty() { Value::Null } else { json!(image.labels) },
        "ParentId": "",
        "RepoDigests": image.digests,
        "RepoTags": image.tags,
        "SharedSize": -1,
        "Size": image.size(),
    })
}

/// How many containers are of an image.
pub(crate) fn users<'a>(
    image: &'a LocalImage,
    containers: &'a [LocalContainer],
) -> impl Iterator<Item = &'a LocalContainer> {
    containers
        .iter()
        .filter(|container| container.image_id == image.id)
}

/// `GET /images/{name}/json`
pub(super) async fn inspect(front: &Front, name: &str) -> Result<Response, Error> {
    let image = find(front, name).await?;
    let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
    let text = |key: &str| config[key].as_str().unwrap_or_default().to_owned();
    let last = config["history"]
        .as_array()
        .and_then(|history| history.last())
        .cloned()
        .unwrap_or_default();
    let comment = config["comment"]
        .as_str()
        .or_else(|| last["comment"].as_str())
        .unwrap_or_default();
    let mut shown = json!({
        "Id": image.id,
        "RepoTags": image.tags,
        "RepoDigests": image.digests,
        "Parent": "",
        "Comment": comment,
        "Created": text("created"),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": config["config"],
        "Architecture": text("architecture"),
        "Os": text("os"),
        "Size": image.size(),
        "GraphDriver": { "Data": null, "Name": "overlayfs" },
        "RootFS": { "Type": "layers", "Layers": image.layers.iter().map(|layer| &layer.diff).collect::<Vec<_>>() },
        "Metadata": { "LastTagTime": image.tagged.map(|at| at.to_string()) },
    });
    if let Some(variant) = config["variant"].as_str() {
        shown["Variant"] = variant.into();
    }
    Ok(Json(shown).into_response())
}

/// `GET /images/{name}/history`
pub(super) async fn history(front: &Front, name: &str) -> Result<Response, Error> {
    Ok(Json(steps(&find(front, name).await?)).into_response())
}

fn steps(image: &LocalImage) -> Value {
    let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
    let mut layers = image.layers.iter();
    let mut steps = Vec::new();
    for step in config["history"].as_array().into_iter().flatten() {
        let empty = step["empty_layer"].as_bool().unwrap_or(false);
        let size = if empty {
            0
        } else {
            layers.next().map_or(0, |layer| layer.size)
        };
        let created = step["created"]
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok());
        steps.push(json!({
            "Id": "<missing>",
            "Created": created.map_or(0, Timestamp::as_second),
            "CreatedBy": step["created_by"].as_str().unwrap_or_default(),
            "Tags": null,
            "Size": size,
            "Comment": step["comment"].as_str().unwrap_or_default(),
        }));
    }
    // What the image does not tell of.
    steps.extend(layers.map(|layer| {
        json!({ "Id": "<missing>", "Created": 0, "CreatedBy": "", "Tags": null, "Size": layer.size, "Comment": "" })
    }));
    if let Some(top) = steps.last_mut() {
        top["Id"] = image.id.as_str().into();
        top["Tags"] = if image.tags.is_empty() {
            Value::Null
        } else {
            json!(image.tags)
        };
    }
    steps.reverse();
    steps.into()
}

/// Which of an image's names was meant, if a name was.
pub(super) fn meant<'a>(image: &'a LocalImage, wanted: &str) -> Option<&'a String> {
    let name = familiar(wanted);
    image
        .tags
        .iter()
        .chain(&image.digests)
        .find(|known| **known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_patterns() {
        assert!(matches("nginx", "nginx:1.10"));
        assert!(matches("ngi*:1.*", "nginx:1.10"));
        assert!(!matches("ngi*", "me/nginx:1"));
        assert!(matches("*/nginx", "me/nginx:1"));
        assert!(!matches(&"*a".repeat(50), &"b".repeat(500)));
    }

    #[test]
    fn history_is_newest_first() {
        let layer = |size| model::LocalLayer {
            size,
            ..Default::default()
        };
        let image = LocalImage {
            id: "sha256:x".into(),
            layers: vec![layer(5), layer(7)],
            config: json!({ "history": [
                { "created_by": "one" }, { "created_by": "env", "empty_layer": true }, { "created_by": "two" },
            ]}).to_string().into_bytes(),
            ..LocalImage::default()
        };
        let shown = steps(&image);
        let sizes: Vec<_> = shown
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["Size"].as_u64().unwrap())
            .collect();
        assert_eq!(sizes, [7, 0, 5]);
        assert_eq!(shown[0]["Id"], "sha256:x");
    }
}
