//! `/containers`: those of this very board, all of them tasks'.
//!
//! They are looked at, entered and ended here; made, changed and removed by services alone.

mod act;
mod archive;
mod attach;
mod filter;
mod inspect;
mod list;
mod refuse;
mod stats;
mod words;

pub(crate) use list::summary;

use crate::Error;
use crate::query::Query;
use crate::routes::Front;
use axum::Router;
use axum::routing::{any, delete, get, post};
use model::LocalContainer;

/// All routes.
pub(crate) fn routes() -> Router<Front> {
    Router::new()
        .route("/containers/json", get(list::list))
        .route("/containers/create", post(refuse::create))
        .route("/containers/prune", post(refuse::prune))
        .route("/containers/{id}", delete(refuse::remove))
        .route("/containers/{id}/json", get(inspect::inspect))
        .route("/containers/{id}/logs", get(attach::logs))
        .route("/containers/{id}/attach", post(attach::attach))
        .route("/containers/{id}/attach/ws", any(refuse::websocket))
        .route(
            "/containers/{id}/archive",
            get(archive::read).head(archive::look).put(archive::write),
        )
        .route("/containers/{id}/export", get(archive::export))
        .route("/containers/{id}/changes", get(archive::changes))
        .route("/containers/{id}/top", get(act::top))
        .route("/containers/{id}/stats", get(stats::stats))
        .route("/containers/{id}/wait", post(act::wait))
        .route("/containers/{id}/kill", post(act::kill))
        .route("/containers/{id}/stop", post(act::stop))
        .route("/containers/{id}/restart", post(act::restart))
        .route("/containers/{id}/pause", post(act::pause))
        .route("/containers/{id}/unpause", post(act::unpause))
        .route("/containers/{id}/resize", post(act::resize))
        .route("/containers/{id}/start", post(refuse::start))
        .route("/containers/{id}/rename", post(refuse::change))
        .route("/containers/{id}/update", post(refuse::change))
        .route("/commit", post(refuse::commit))
        .route("/containers/{id}/exec", post(crate::exec::create))
        .route("/exec/{id}/start", post(crate::exec::start))
        .route("/exec/{id}/resize", post(crate::exec::resize))
        .route("/exec/{id}/json", get(crate::exec::inspect))
}

/// Finds a container by its id, its name, or the beginning of its id.
///
/// # Errors
/// 404 if there is none, 400 if there are several.
pub(crate) async fn find(front: &Front, wanted: &str) -> Result<LocalContainer, Error> {
    let all = front.backend.containers().await?;
    choose(all, wanted)
}

fn choose(all: Vec<LocalContainer>, wanted: &str) -> Result<LocalContainer, Error> {
    let name = wanted.strip_prefix('/').unwrap_or(wanted);
    let exact = all
        .iter()
        .position(|container| container.id == wanted || container.task.name() == name);
    let beginning = || {
        let fits = |at: &usize| !wanted.is_empty() && all[*at].id.starts_with(wanted);
        let found: Vec<usize> = (0..all.len()).filter(fits).collect();
        match found[..] {
            [at] => Ok(at),
            [] => Err(Error::NotFound(format!("No such container: {wanted}"))),
            _ => Err(Error::Invalid(format!(
                "multiple IDs found with provided prefix: {wanted}"
            ))),
        }
    };
    let at = exact.map_or_else(beginning, Ok)?;
    let chosen = all.into_iter().nth(at);
    chosen.ok_or_else(|| Error::NotFound(format!("No such container: {wanted}")))
}

/// A terminal's height and width: `h` and `w`.
///
/// # Errors
/// 400 if they are not numbers.
pub(crate) fn size(query: &Query) -> Result<(u32, u32), Error> {
    let number = |key: &str| {
        let text = query.text(key).unwrap_or_default();
        text.parse()
            .map_err(|_| Error::Invalid(format!("invalid resize {key} '{text}': a number is needed")))
    };
    Ok((number("h")?, number("w")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_then_name_then_beginning() {
        let container = |id: &str, name: &str| {
            let mut container = LocalContainer {
                id: id.to_owned(),
                ..LocalContainer::default()
            };
            container.task.id = "t".into();
            container.task.slot = Some(1);
            container.task.origin.service_name = name.to_owned();
            container
        };
        let all = || vec![container("abc1", "web"), container("abd2", "db")];
        let found = |wanted| choose(all(), wanted).map(|container| container.id);
        assert_eq!(found("abc1").unwrap(), "abc1");
        assert_eq!(found("/db.1.t").unwrap(), "abd2");
        assert_eq!(found("db.1.t").unwrap(), "abd2");
        assert_eq!(found("abd").unwrap(), "abd2");
        assert!(matches!(found("ab"), Err(Error::Invalid(_))));
        assert_eq!(found("x").unwrap_err().to_string(), "No such container: x");
        assert!(found("").is_err());
    }
}
