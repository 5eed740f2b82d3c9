//! Which containers of a list are shown.

use crate::Error;
use crate::filters::Filters;
use crate::query::Query;
use model::{LocalContainer, LocalState, container_labels};

/// All filters of Docker's list that say something here.
const KNOWN: [&str; 17] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
    "removed",
    "dead",
];

/// What a list is asked for.
pub(super) struct Wish {
    filters: Filters,
    /// Also those that do not run.
    pub all: bool,
    /// Only the newest so many.
    pub limit: Option<usize>,
}

impl Wish {
    /// Reads a query.
    ///
    /// # Errors
    /// 400 for what can't be.
    pub fn read(query: &Query) -> Result<Self, Error> {
        let filters = Filters::read(query, &KNOWN)?;
        for status in filters.values("status") {
            if ![
                "created",
                "running",
                "paused",
                "restarting",
                "removing",
                "exited",
                "dead",
            ]
            .contains(&status)
            {
                return Err(Error::Invalid(format!("invalid filter 'status={status}'")));
            }
        }
        for health in filters.values("health") {
            if !["starting", "healthy", "unhealthy", "none"].contains(&health) {
                return Err(Error::Invalid(format!("invalid filter 'health={health}'")));
            }
        }
        for code in filters.values("exited") {
            code.parse::<i64>()
                .map_err(|_| Error::Invalid(format!("invalid filter 'exited={code}'")))?;
        }
        for port in filters.values("publish").chain(filters.values("expose")) {
            ports(port).ok_or_else(|| Error::Invalid(format!("invalid port range: {port}")))?;
        }
        let limit = match query.text("limit") {
            None => None,
            Some(text) => {
                let number: i64 = text
                    .parse()
                    .map_err(|_| Error::Invalid(format!("invalid limit '{text}'")))?;
                usize::try_from(number).ok().filter(|number| *number > 0)
            }
        };
        let asked = |key: &str| filters.values(key).next().is_some();
        Ok(Self {
            all: query.flag("all")
                || limit.is_some()
                || asked("status")
                || asked("exited")
                || asked("since")
                || asked("before"),
            filters,
            limit,
        })
    }

    /// Chooses from all containers, newest first.
    ///
    /// # Errors
    /// 404 if one that is named by `since` or `before` is not there.
    pub fn choose(&self, all: Vec<LocalContainer>) -> Result<Vec<LocalContainer>, Error> {
        let place = |key: &str| {
            let named = self.filters.values(key).next();
            let at = |wanted: &str| super::choose(all.clone(), wanted).map(|container| container.created);
            named.map(at).transpose()
        };
        let (since, before) = (place("since")?, place("before")?);
        let mut chosen: Vec<LocalContainer> = all
            .into_iter()
            .filter(|container| {
                self.all || matches!(container.state, LocalState::Running | LocalState::Paused)
            })
            .filter(|container| since.is_none_or(|since| container.created > since))
            .filter(|container| before.is_none_or(|before| container.created < before))
            .filter(|container| self.fits(container))
            .collect();
        chosen.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(chosen)
    }

    fn fits(&self, container: &LocalContainer) -> bool {
        let filters = &self.filters;
        let name = container.task.name();
        let health = container.health.as_ref().map_or("none", |health| health.status);
        let code = container.exit_code.to_string();
        let is_task = |value: &str| matches!(value, "true" | "1" | "True");
        let volume = |wanted: &str| {
            container
                .mounts
                .iter()
                .any(|mount| mount.name == wanted || mount.target == wanted)
        };
        let network = |wanted: &str| {
            let attached = container.task.networks_attachments.iter().flatten();
            attached
                .into_iter()
                .any(|place| place.network.id.as_str() == wanted || place.network.spec.name == wanted)
        };
        let image = super::words::image(container);
        let ancestor = |wanted: &str| {
            let short = container.image_id.trim_start_matches("sha256:");
            let plain = image.split('@').next().unwrap_or_default();
            wanted == image
                || wanted == plain
                || format!("{wanted}:latest") == plain
                || (wanted.len() > 3 && short.starts_with(wanted.trim_start_matches("sha256:")))
        };
        let port = |wanted: &str, published: bool| {
            let Some((protocol, range)) = ports(wanted) else {
                return false;
            };
            container.ports.iter().any(|port| {
                let number = if published {
                    port.published
                } else {
                    Some(port.target)
                };
                port.protocol == protocol && number.is_some_and(|number| range.contains(&number))
            })
        };
        filters.any("id", |id| container.id.starts_with(id))
            && filters.any("name", |part| {
                name.contains(part.trim_start_matches(['/', '^']).trim_end_matches('$'))
            })
            && filters.any("status", |status| status == container.state.as_str())
            && filters.any("health", |wanted| wanted == health)
            && filters.any("exited", |wanted| {
                container.state == LocalState::Exited && wanted == code
            })
            && filters.any("is-task", is_task)
            && filters.any("volume", volume)
            && filters.any("network", network)
            && filters.any("ancestor", ancestor)
            && filters.any("publish", |wanted| port(wanted, true))
            && filters.any("expose", |wanted| port(wanted, false))
            && filters.labels("label", &container_labels(&container.task))
    }
}

/// `80`, `80/udp`, `8000-8010/tcp`
fn ports(text: &str) -> Option<(&str, std::ops::RangeInclusive<u16>)> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some((protocol, first.parse().ok()?..=last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, state: LocalState, code: i64) -> LocalContainer {
        let mut container = LocalContainer {
            id: id.to_owned(),
            state,
            exit_code: code,
            ..LocalContainer::default()
        };
        container.task.origin.service_name = format!("web{id}");
        container.task.slot = Some(1);
        container
    }

    fn chosen(query: &str) -> Result<Vec<String>, Error> {
        let all = vec![
            container("a", LocalState::Running, 0),
            container("b", LocalState::Exited, 3),
        ];
        let wish = Wish::read(&Query::read(Some(query)))?;
        Ok(wish
            .choose(all)?
            .into_iter()
            .map(|container| container.id)
            .collect())
    }

    #[test]
    fn what_runs_is_shown_and_more_if_asked_for() {
        assert_eq!(chosen("").unwrap(), ["a"]);
        assert_eq!(chosen("all=1").unwrap(), ["a", "b"]);
        assert_eq!(chosen("limit=1").unwrap(), ["a"]);
        assert_eq!(chosen("filters={\"status\":[\"exited\"]}").unwrap(), ["b"]);
        assert_eq!(chosen("filters={\"exited\":[\"3\"]}").unwrap(), ["b"]);
        assert_eq!(chosen("filters={\"name\":[\"weba\"]}").unwrap(), ["a"]);
        assert_eq!(
            chosen("filters={\"label\":[\"com.docker.swarm.service.name=weba\"]}").unwrap(),
            ["a"]
        );
        assert!(chosen("filters={\"is-task\":[\"false\"]}").unwrap().is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        for query in [
            "limit=x",
            "filters={\"status\":[\"well\"]}",
            "filters={\"exited\":[\"x\"]}",
            "filters={\"publish\":[\"x\"]}",
            "filters={\"colour\":[\"x\"]}",
        ] {
            assert!(matches!(chosen(query), Err(Error::Invalid(_))), "{query}");
        }
        assert!(matches!(
            chosen("filters={\"since\":[\"x\"]}"),
            Err(Error::NotFound(_))
        ));
    }
}
