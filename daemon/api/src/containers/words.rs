//! Docker's words for states and times (go-units' `HumanDuration`).

use model::{LocalContainer, LocalState, Timestamp};
use std::time::Duration;

/// `Up 5 minutes (healthy)`, `Exited (0) 3 seconds ago`.
pub(crate) fn status(container: &LocalContainer, now: Timestamp) -> String {
    let since = |at: Option<Timestamp>| human(age(at.unwrap_or(container.created), now));
    match container.state {
        LocalState::Created => "Created".to_owned(),
        LocalState::Paused => format!("Up {} (Paused)", since(container.started)),
        LocalState::Exited => format!(
            "Exited ({}) {} ago",
            container.exit_code,
            since(container.finished)
        ),
        LocalState::Running => {
            let up = format!("Up {}", since(container.started));
            match &container.health {
                Some(health) if health.status == "starting" => format!("{up} (health: starting)"),
                Some(health) => format!("{up} ({})", health.status),
                None => up,
            }
        }
    }
}

fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

/// A time in a person's words.
pub(crate) fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    // Rounded, as go-units does.
    let hours = (time.as_secs_f64() / 3600.0).round() as u64;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ => match hours {
            ..=1 => "About an hour".to_owned(),
            2..48 => format!("{hours} hours"),
            48..336 => format!("{} days", hours / 24),
            336..1440 => format!("{} weeks", hours / 24 / 7),
            1440..17520 => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", seconds / 3600 / 24 / 365),
        },
    }
}

/// A command line as Docker shows it: words with spaces in quotation marks.
pub(crate) fn command(args: &[String]) -> String {
    let word = |word: &String| {
        if word.contains(' ') {
            format!("'{word}'")
        } else {
            word.clone()
        }
    };
    args.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// An image's name as it was asked for; its id without the digest that a service pins (Docker's way).
pub(crate) fn image(container: &LocalContainer) -> String {
    let spec = container.task.spec.container_spec.as_ref();
    let name = spec.and_then(|spec| spec.image.clone()).unwrap_or_default();
    if name.is_empty() {
        container.image_id.clone()
    } else {
        name
    }
}

/// A time as Docker writes it; Go's zero if there is none.
pub(crate) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_docker_does() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (125, "2 minutes"),
            (3600, "About an hour"),
            (7300, "2 hours"),
            (50 * 3600, "2 days"),
            (400 * 3600, "2 weeks"),
            (1500 * 3600, "2 months"),
            (20000 * 3600, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), words);
        }
        assert_eq!(
            command(&["sh".into(), "-c".into(), "echo a".into()]),
            "sh -c 'echo a'"
        );
    }

    #[test]
    fn a_status_tells_state_and_health() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let mut container = LocalContainer {
            started: Some("2026-01-01T00:05:00Z".parse().unwrap()),
            finished: Some("2026-01-01T00:09:57Z".parse().unwrap()),
            exit_code: 3,
            state: LocalState::Running,
            ..LocalContainer::default()
        };
        assert_eq!(status(&container, now), "Up 5 minutes");
        container.health = Some(model::LocalHealth {
            status: "healthy",
            ..Default::default()
        });
        assert_eq!(status(&container, now), "Up 5 minutes (healthy)");
        container.state = LocalState::Paused;
        assert_eq!(status(&container, now), "Up 5 minutes (Paused)");
        container.state = LocalState::Exited;
        assert_eq!(status(&container, now), "Exited (3) 3 seconds ago");
    }
}
