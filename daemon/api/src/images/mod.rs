//! `/images`: those of this very board.

mod bring;
mod changes;
mod give;
mod list;
mod remove;

pub(crate) use list::{summary, users};

pub(crate) use bring::{incoming, line, lines, trouble};

use crate::Error;
use crate::query::Query;
use crate::routes::Front;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use model::LocalImage;

/// All routes. An image's name may hold slashes, so what comes after it is told apart by hand.
pub(crate) fn routes() -> Router<Front> {
    Router::new()
        .route("/images/json", get(list::list))
        .route("/images/create", post(bring::create))
        .route("/images/load", post(bring::load))
        .route("/images/get", get(give::several))
        .route("/images/prune", post(remove::prune))
        .route("/images/search", get(search))
        .route("/build", post(build))
        .route("/build/prune", post(prune_builds))
        .route("/images/{*rest}", any(one))
}

/// What is asked of one image.
async fn one(
    State(front): State<Front>,
    Path(rest): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let query = Query::read(request.uri().query());
    let method = request.method().as_str();
    let (name, verb) = rest.rsplit_once('/').unwrap_or((&rest, ""));
    match (method, verb) {
        ("DELETE", _) => remove::remove(&front, &rest, &query).await,
        ("GET", "json") => list::inspect(&front, name).await,
        ("GET", "history") => list::history(&front, name).await,
        ("GET", "get") => give::save(&front, &[name.to_owned()]).await,
        ("POST", "tag") => bring::tag(&front, name, &query).await,
        ("POST", "push") => {
            let tag = query.text("tag").map(|tag| format!("{name}:{tag}"));
            find(&front, tag.as_deref().unwrap_or(name)).await?;
            Err(Error::Unimplemented(
                "boards don't push images: docker save them and push them from elsewhere".to_owned(),
            ))
        }
        _ => Ok(crate::refusals::no_such_page().await.into_response()),
    }
}

async fn search() -> Error {
    Error::Unimplemented("boards don't search registries: look at the registry's web page".to_owned())
}

async fn build() -> Error {
    Error::Unimplemented(
        "boards don't build images: build them elsewhere and push them to a registry, or bring them with docker load"
            .to_owned(),
    )
}

async fn prune_builds() -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({ "CachesDeleted": null, "SpaceReclaimed": 0 }))
}

/// Finds an image by its id, the beginning of its id, or a name.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn find(front: &Front, wanted: &str) -> Result<LocalImage, Error> {
    choose(front.backend.images().await?, wanted)
}

pub(crate) fn choose(all: Vec<LocalImage>, wanted: &str) -> Result<LocalImage, Error> {
    let name = familiar(wanted);
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let named = all
        .iter()
        .position(|image| image.tags.contains(&name) || image.digests.contains(&name));
    let by_id = || {
        let fits = |image: &LocalImage| image.id.trim_start_matches("sha256:").starts_with(hex);
        let found: Vec<usize> = (0..all.len()).filter(|at| is_hex && fits(&all[*at])).collect();
        if let [at] = found[..] { Some(at) } else { None }
    };
    let at = named.or_else(by_id);
    let chosen = at.and_then(|at| all.into_iter().nth(at));
    chosen.ok_or_else(|| Error::NotFound(format!("No such image: {name}")))
}

/// A name as people write it, with its tag: `nginx:latest` for `docker.io/library/nginx`.
pub(crate) fn familiar(name: &str) -> String {
    let short = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|host| name.strip_prefix(host));
    let short = short.map_or(name, |short| short.strip_prefix("library/").unwrap_or(short));
    if let Some((name, digest)) = short.split_once('@') {
        // The digest says which: a tag beside it does not count.
        let at = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        return format!("{}@{digest}", &name[..at.unwrap_or(name.len())]);
    }
    let tagged = short.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    if tagged {
        short.to_owned()
    } else {
        format!("{short}:latest")
    }
}

/// A name without its tag or digest.
pub(crate) fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// The first twelve digits of an id.
pub(crate) fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_and_shortened() {
        for (name, shown) in [
            ("nginx", "nginx:latest"),
            ("docker.io/library/nginx:1", "nginx:1"),
            ("docker.io/me/app", "me/app:latest"),
            ("10.0.0.1:5000/app", "10.0.0.1:5000/app:latest"),
            ("nginx:1@sha256:ab", "nginx@sha256:ab"),
            ("10.0.0.1:5000/app@sha256:ab", "10.0.0.1:5000/app@sha256:ab"),
        ] {
            assert_eq!(familiar(name), shown);
        }
        assert_eq!(repository("10.0.0.1:5000/app:1"), "10.0.0.1:5000/app");
    }

    #[test]
    fn an_image_is_found_by_name_or_id() {
        let image = |id: &str, tag: &str| LocalImage {
            id: format!("sha256:{id}"),
            tags: vec![tag.to_owned()],
            ..LocalImage::default()
        };
        let all = || vec![image("abc1", "nginx:1"), image("abd2", "abc:latest")];
        let found = |wanted| choose(all(), wanted).map(|image| image.id);
        assert_eq!(found("nginx:1").unwrap(), "sha256:abc1");
        assert_eq!(found("abc").unwrap(), "sha256:abd2");
        assert_eq!(found("sha256:abd2").unwrap(), "sha256:abd2");
        assert_eq!(found("ab").unwrap_err().to_string(), "No such image: ab:latest");
        assert!(found("").is_err());
    }
}
