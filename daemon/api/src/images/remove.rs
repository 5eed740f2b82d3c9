//! `docker rmi` and `docker image prune`.

use super::list::{dangling, is_dangling, meant, until, users};
use super::{find, repository, short};
use crate::Error;
use crate::filters::Filters;
use crate::query::Query;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use model::{LocalContainer, LocalImage, LocalState};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is to be done to remove an image.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    /// Names to take away; an image's id if it has none.
    names: Vec<String>,
    /// True if nothing holds it any more then.
    gone: bool,
}

/// `DELETE /images/{name}`
pub(super) async fn remove(front: &Front, wanted: &str, query: &Query) -> Result<Response, Error> {
    let image = find(front, wanted).await?;
    let containers = front.backend.containers().await?;
    let plan = plan(&image, wanted, query.flag("force"), &containers)?;
    Ok(Json(carry_out(front, &image, &plan).await?).into_response())
}

async fn carry_out(front: &Front, image: &LocalImage, plan: &Plan) -> Result<Value, Error> {
    let before = front.backend.images().await?;
    let mut told = Vec::new();
    for name in &plan.names {
        front.backend.untag(image, name).await?;
        if *name != image.id {
            told.push(json!({ "Untagged": name }));
        }
    }
    if plan.gone {
        told.push(json!({ "Deleted": image.id }));
        // Layers that other images have as well stay.
        let others = before.iter().filter(|other| other.id != image.id);
        let kept: BTreeSet<&String> = others
            .flat_map(|other| &other.layers)
            .map(|layer| &layer.chain)
            .collect();
        let layers = image.layers.iter().rev().map(|layer| &layer.chain);
        told.extend(
            layers
                .filter(|chain| !kept.contains(chain))
                .map(|chain| json!({ "Deleted": chain })),
        );
    }
    Ok(told.into())
}

/// Docker's rules: a name goes alone while there are others; what a container uses goes by force or not at all.
fn plan(image: &LocalImage, wanted: &str, force: bool, containers: &[LocalContainer]) -> Result<Plan, Error> {
    let all: Vec<String> = image.tags.iter().chain(&image.digests).cloned().collect();
    let id = short(&image.id);
    let lives =
        |container: &&LocalContainer| matches!(container.state, LocalState::Running | LocalState::Paused);
    let running = users(image, containers).find(lives);
    let stopped = users(image, containers).next();
    if let Some(name) = meant(image, wanted) {
        let others = image.tags.iter().any(|tag| tag != name)
            || image
                .digests
                .iter()
                .any(|digest| digest != name && repository(digest) != repository(name));
        if others {
            return Ok(Plan {
                names: vec![name.clone()],
                gone: false,
            });
        }
        if let Some(user) = stopped.filter(|_| !force) {
            return Err(Error::Conflict(format!(
                "conflict: unable to remove repository reference \"{wanted}\" (must force) - container {} is using its \
                 referenced image {id}",
                short(&user.id)
            )));
        }
        // A container that uses it keeps its layers.
        return Ok(Plan {
            names: own(image, all),
            gone: stopped.is_none(),
        });
    }
    if let Some(user) = running {
        return Err(Error::Conflict(format!(
            "conflict: unable to delete {id} (cannot be forced) - image is being used by running container {}",
            short(&user.id)
        )));
    }
    let repositories: BTreeSet<&str> = all.iter().map(|name| repository(name)).collect();
    if repositories.len() > 1 && !force {
        return Err(Error::Conflict(format!(
            "conflict: unable to delete {id} (must be forced) - image is referenced in multiple repositories"
        )));
    }
    if let Some(user) = stopped.filter(|_| !force) {
        return Err(Error::Conflict(format!(
            "conflict: unable to delete {id} (must be forced) - image is being used by stopped container {}",
            short(&user.id)
        )));
    }
    Ok(Plan {
        names: own(image, all),
        gone: stopped.is_none(),
    })
}

fn own(image: &LocalImage, names: Vec<String>) -> Vec<String> {
    if names.is_empty() {
        vec![image.id.clone()]
    } else {
        names
    }
}

/// `POST /images/prune`: images without a name, or (`dangling=false`) all that no container uses.
pub(super) async fn prune(State(front): State<Front>, uri: Uri) -> Result<Json<Value>, Error> {
    let filters = Filters::read(&query(&uri), &["dangling", "label", "label!", "until"])?;
    let (only_dangling, until) = (dangling(&filters)?.unwrap_or(true), until(&filters)?);
    let containers = front.backend.containers().await?;
    let (mut told, mut bytes) = (Vec::new(), 0);
    for image in front.backend.images().await? {
        let spared = users(&image, &containers).next().is_some()
            || (only_dangling && !is_dangling(&image))
            || until.is_some_and(|until| image.created.is_some_and(|created| created >= until))
            || !filters.labels("label", &image.labels)
            || (filters.values("label!").next().is_some() && filters.labels("label!", &image.labels));
        if spared {
            continue;
        }
        let all = image.tags.iter().chain(&image.digests).cloned().collect();
        let plan = Plan {
            names: own(&image, all),
            gone: true,
        };
        let done = carry_out(&front, &image, &plan).await?;
        let gone: BTreeSet<&str> = done
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| line["Deleted"].as_str())
            .collect();
        bytes += image
            .layers
            .iter()
            .filter(|layer| gone.contains(layer.chain.as_str()))
            .map(|layer| layer.size)
            .sum::<u64>();
        told.extend(done.as_array().cloned().unwrap_or_default());
    }
    let told = if told.is_empty() { Value::Null } else { told.into() };
    Ok(Json(json!({ "ImagesDeleted": told, "SpaceReclaimed": bytes })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(tags: &[&str], digests: &[&str]) -> LocalImage {
        LocalImage {
            id: "sha256:aabbccddeeff00".into(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            digests: digests.iter().map(|digest| (*digest).to_owned()).collect(),
            ..LocalImage::default()
        }
    }

    fn container(state: LocalState) -> LocalContainer {
        LocalContainer {
            id: "c".repeat(64),
            image_id: "sha256:aabbccddeeff00".into(),
            state,
            ..LocalContainer::default()
        }
    }

    #[test]
    fn a_name_goes_alone_while_there_are_others() {
        let two = image(&["foo:1", "nginx:1"], &["nginx@sha256:a"]);
        let done = plan(&two, "foo:1", false, &[container(LocalState::Running)]).unwrap();
        assert_eq!((done.names, done.gone), (vec!["foo:1".to_owned()], false));
        let one = image(&["nginx:1"], &["nginx@sha256:a"]);
        let done = plan(&one, "nginx:1", false, &[]).unwrap();
        assert_eq!((done.names.len(), done.gone), (2, true));
        let none = plan(&image(&[], &[]), "aabb", false, &[]).unwrap();
        assert_eq!(none.names, ["sha256:aabbccddeeff00"]);
    }

    #[test]
    fn what_is_used_is_kept_in_dockers_words() {
        let one = image(&["nginx:1"], &[]);
        let says = |wanted, force, state| {
            plan(&one, wanted, force, &[container(state)]).map_err(|error| error.to_string())
        };
        assert!(
            says("nginx:1", false, LocalState::Running)
                .unwrap_err()
                .contains("(must force) - container cccccccccccc")
        );
        assert!(
            says("aabb", true, LocalState::Running)
                .unwrap_err()
                .contains("cannot be forced")
        );
        assert!(
            says("aabb", false, LocalState::Exited)
                .unwrap_err()
                .contains("must be forced")
        );
        assert!(!says("aabb", true, LocalState::Exited).unwrap().gone);
        let two = image(&["a:1", "b:1"], &[]);
        assert!(
            plan(&two, "aabb", false, &[])
                .unwrap_err()
                .to_string()
                .contains("multiple repositories")
        );
    }
}
