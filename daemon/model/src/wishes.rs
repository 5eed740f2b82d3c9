//! What a service asks of Bramble that Swarm has no word for: labels that begin with `bramble.`, which pass the docker
//! command and stack files unchanged.
//!
//! | label | example | what it does |
//! |---|---|---|
//! | `bramble.devices` | `/dev/ttyUSB0,/dev/snd:r` | devices of the board; only boards that have them get tasks |
//! | `bramble.privileged` | `true` | all capabilities, all devices, no confinement |
//! | `bramble.shm_size` | `64m` | room in `/dev/shm` |
//! | `bramble.pid`, `bramble.ipc` | `host` | shares the board's processes, or its memory segments and queues |
//! | `bramble.depends_on` | `db,cache` | no task is placed until each of these runs, or, being a job, is done |
//! | `bramble.strategy` | `binpack` | `spread` (the rule), `binpack`: fullest board first, or `random` |
//! | `bramble.rebalance` | `true` | tasks move, one at a time, when a board has two more of them than another |
//! | `bramble.volume_affinity` | `true` | a slot comes back to the board that ran it last, if that will do |
//! | `bramble.start_limit` | `90s` | a task of an update that takes longer to run has failed; ten minutes if absent |
//! | `bramble.schedule` | `0 3 * * *` | a job runs at these times: [`Schedule`] |
//!
//! The first four rows are what the container sees: changing one of them replaces tasks. The others are for the
//! planner: they take effect at once and disturb no task.

mod device;

pub use device::Device;

use crate::{Labels, NodeDescription, Schedule, ServiceSpec};
use jiff::SignedDuration;

/// What all of them begin with.
const PREFIX: &str = "bramble.";
/// All that are known.
const KNOWN: &str = "bramble.devices, bramble.privileged, bramble.shm_size, bramble.pid, bramble.ipc, \
     bramble.depends_on, bramble.strategy, bramble.rebalance, bramble.volume_affinity, bramble.start_limit and \
     bramble.schedule";
/// Most services that one may wait for.
const MOST_NEEDS: usize = 64;

/// What a service asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `bramble.devices`: devices of the board.
    pub devices: Vec<Device>,
    /// `bramble.privileged`: all capabilities, all devices, no confinement.
    pub privileged: bool,
    /// `bramble.shm_size`: room in `/dev/shm`, in bytes.
    pub shm_size: Option<u64>,
    /// `bramble.pid=host`: sees all processes of the board.
    pub pid_of_host: bool,
    /// `bramble.ipc=host`: shares the board's memory segments and queues.
    pub ipc_of_host: bool,
    /// `bramble.depends_on`: names of services that have to run before a task is placed. In a stack a name is first
    /// looked for among the stack's own ([`ServiceSpec::called`]).
    pub depends_on: Vec<String>,
    /// `bramble.strategy`: which of the boards that will do is the best.
    pub strategy: Strategy,
    /// `bramble.rebalance`: tasks move to boards that came back or are new.
    pub rebalance: bool,
    /// `bramble.volume_affinity`: a slot comes back to where it was.
    pub volume_affinity: bool,
    /// `bramble.start_limit`: how long a task of an update may take until it runs.
    pub start_limit: Option<SignedDuration>,
    /// `bramble.schedule`: when a job runs, to be read by [`Schedule::parse`]: labels are looked at often, and that takes a
    /// while.
    pub schedule: Option<String>,
}

/// Which of the boards that will do is the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The one with fewest of the service's tasks, then with fewest of all.
    #[default]
    Spread,
    /// The one of which most is reserved, then with most tasks.
    Binpack,
    /// Any.
    Random,
}

/// A label that can't be read, that is not known, or that has no meaning for such a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("label {label}: {problem}")]
pub struct WishError {
    label: String,
    problem: String,
}

impl Wishes {
    /// Reads a service's labels.
    ///
    /// # Errors
    /// [`WishError`] for what is not known or can't be (of schedules see [`Self::of_service`]), so that a slip of the pen
    /// is not left out in silence.
    pub fn of(labels: &Labels) -> Result<Self, WishError> {
        let mut wishes = Self::default();
        for (label, value) in labels {
            if let Some(name) = label.strip_prefix(PREFIX) {
                wishes.read(name, value.trim()).map_err(|problem| WishError {
                    label: label.clone(),
                    problem,
                })?;
            }
        }
        Ok(wishes)
    }

    /// Reads a service's labels and looks whether they make sense for such a service.
    ///
    /// # Errors
    /// [`WishError`] as for [`Self::of`], and for a wish that would have no effect.
    pub fn of_service(spec: &ServiceSpec) -> Result<Self, WishError> {
        let wishes = Self::of(&spec.labels)?;
        let refuse = |name: &str, problem: &str| {
            Err(WishError {
                label: format!("{PREFIX}{name}"),
                problem: problem.to_owned(),
            })
        };
        if let Some(Err(error)) = wishes.schedule.as_deref().map(Schedule::parse) {
            return refuse("schedule", &error.to_string());
        }
        if wishes.schedule.is_some() && !spec.is_job() {
            return refuse(
                "schedule",
                "only a job can be run at given times: use --mode replicated-job or global-job",
            );
        }
        if wishes.start_limit.is_some() && spec.is_job() {
            return refuse("start_limit", "a job has no updates");
        }
        if wishes.rebalance && spec.mode.replicated.is_none() {
            return refuse("rebalance", "only replicas can move");
        }
        if wishes.rebalance && wishes.strategy != Strategy::Spread {
            return refuse("rebalance", "there is no balance but with the strategy spread");
        }
        if spec.is_global() && (wishes.strategy != Strategy::Spread || wishes.volume_affinity) {
            let name = if wishes.volume_affinity {
                "volume_affinity"
            } else {
                "strategy"
            };
            return refuse(
                name,
                "a global service is on each board: there is nothing to choose",
            );
        }
        if wishes.depends_on.iter().any(|name| spec.called(name)) {
            return refuse("depends_on", "a service can't wait for itself");
        }
        Ok(wishes)
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), String> {
        let of_host = || match value {
            "host" => Ok(true),
            "" | "private" => Ok(false),
            other => Err(format!("{other} is neither host nor private")),
        };
        let truth = || {
            value
                .parse()
                .map_err(|_| format!("{value} is neither true nor false"))
        };
        match name {
            "devices" => self.devices = device::devices(value)?,
            "privileged" => self.privileged = truth()?,
            "shm_size" => {
                let size = bytes(value).filter(|size| *size > 0);
                self.shm_size = Some(size.ok_or_else(|| format!("{value} is no size such as 64m"))?);
            }
            "pid" => self.pid_of_host = of_host()?,
            "ipc" => self.ipc_of_host = of_host()?,
            "depends_on" => self.depends_on = needs(value)?,
            "strategy" => self.strategy = strategy(value)?,
            "rebalance" => self.rebalance = truth()?,
            "volume_affinity" => self.volume_affinity = truth()?,
            "start_limit" => self.start_limit = Some(limit(value)?),
            "schedule" => self.schedule = Some(value.to_owned()),
            _ => return Err(format!("not known: there are {KNOWN}")),
        }
        Ok(())
    }

    /// What is read of labels that were checked when the service was made.
    pub fn checked(labels: &Labels) -> Self {
        Self::of(labels).unwrap_or_default()
    }

    /// True if a container made for one is as good for the other: what differs is for the planner only.
    pub fn same_container(&self, other: &Self) -> bool {
        self.devices == other.devices
            && self.privileged == other.privileged
            && self.shm_size == other.shm_size
            && self.pid_of_host == other.pid_of_host
            && self.ipc_of_host == other.ipc_of_host
    }

    /// True if a board has all that is asked for.
    pub fn met_by(&self, board: &NodeDescription) -> bool {
        self.devices.iter().all(|wanted| {
            let there = board.devices.iter().flatten();
            let folder = format!("{}/", wanted.path);
            there
                .into_iter()
                .any(|path| *path == wanted.path || path.starts_with(&folder))
        })
    }
}

/// `db, cache`
fn needs(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.len() > MOST_NEEDS {
        return Err(format!("more than {MOST_NEEDS} services"));
    }
    Ok(names)
}

fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "spread" => Ok(Strategy::Spread),
        "binpack" => Ok(Strategy::Binpack),
        "random" => Ok(Strategy::Random),
        other => Err(format!("{other} is none of spread, binpack and random")),
    }
}

/// `90s`, `1h30m`
fn limit(text: &str) -> Result<SignedDuration, String> {
    let limit = text.parse::<SignedDuration>().ok();
    limit
        .filter(|limit| (SignedDuration::from_secs(1)..=SignedDuration::from_hours(24)).contains(limit))
        .ok_or_else(|| format!("{text} is no time such as 90s or 10m, from a second to a day"))
}

/// `64m` and the like, in bytes.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (digits, shift) = match text.chars().last()? {
        'k' => (text.strip_suffix('k')?, 10),
        'm' => (text.strip_suffix('m')?, 20),
        'g' => (text.strip_suffix('g')?, 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Empty, Replicated, ReplicatedJob};

    fn read(label: &str, value: &str) -> Result<Wishes, WishError> {
        Wishes::of(&Labels::from([(label.to_owned(), value.to_owned())]))
    }

    #[test]
    fn devices_are_written_as_for_docker_run() {
        let text = "/dev/ttyUSB0, /dev/gpiomem:r,/dev/snd:/dev/sound,/dev/a:/dev/b:rw";
        let devices = read("bramble.devices", text).unwrap().devices;
        let shown: Vec<_> = devices
            .iter()
            .map(|device| format!("{} {} {}", device.path, device.target, device.access))
            .collect();
        assert_eq!(
            shown,
            [
                "/dev/ttyUSB0 /dev/ttyUSB0 rwm",
                "/dev/gpiomem /dev/gpiomem r",
                "/dev/snd /dev/sound rwm",
                "/dev/a /dev/b rw"
            ]
        );
        for bad in [
            "/etc/passwd",
            "ttyUSB0",
            "/dev/../etc",
            "/dev/a:/dev/b:x",
            "/dev/a:b:c:d",
        ] {
            assert!(read("bramble.devices", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        assert_eq!(read("bramble.shm_size", "64m").unwrap().shm_size, Some(64 << 20));
        assert!(read("bramble.pid", "host").unwrap().pid_of_host);
        assert_eq!(read("traefik.enable", "yes"), Ok(Wishes::default()));
        for (label, value) in [
            ("bramble.device", "/dev/x"),
            ("bramble.privileged", "yes"),
            ("bramble.shm_size", "much"),
            ("bramble.ipc", "other"),
            ("bramble.strategy", "pack"),
            ("bramble.rebalance", "1"),
            ("bramble.start_limit", "soon"),
            ("bramble.start_limit", "0s"),
        ] {
            assert!(read(label, value).is_err(), "{label}");
        }
    }

    #[test]
    fn wishes_for_the_planner_are_read() {
        let needs = read("bramble.depends_on", "db, cache,").unwrap().depends_on;
        assert_eq!(needs, ["db", "cache"]);
        assert_eq!(
            read("bramble.strategy", "binpack").unwrap().strategy,
            Strategy::Binpack
        );
        let limit = read("bramble.start_limit", "1m30s").unwrap();
        assert_eq!(limit.start_limit, Some(SignedDuration::from_secs(90)));
        assert!(limit.same_container(&Wishes::default()));
        assert!(!read("bramble.pid", "host").unwrap().same_container(&limit));
    }

    #[test]
    fn a_wish_without_effect_is_refused() {
        let mut replicated = ServiceSpec {
            name: "home_web".to_owned(),
            ..ServiceSpec::default()
        };
        replicated.mode.replicated = Some(Replicated::default());
        let mut global = ServiceSpec::default();
        global.mode.global = Some(Empty {});
        let mut job = ServiceSpec::default();
        job.mode.replicated_job = Some(ReplicatedJob::default());
        let outcome = |spec: &ServiceSpec, labels: &[(&str, &str)]| {
            let mut spec = spec.clone();
            let labels = labels
                .iter()
                .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
            spec.labels = labels.collect();
            Wishes::of_service(&spec).map_err(|error| error.to_string())
        };
        assert!(outcome(&job, &[("bramble.schedule", "@hourly")]).is_ok());
        assert!(outcome(&replicated, &[("bramble.rebalance", "true")]).is_ok());
        for (spec, labels) in [
            (&replicated, &[("bramble.schedule", "@hourly")][..]),
            (&job, &[("bramble.schedule", "at noon")]),
            (&job, &[("bramble.start_limit", "1m")]),
            (&global, &[("bramble.rebalance", "true")]),
            (&global, &[("bramble.strategy", "random")]),
            (&global, &[("bramble.volume_affinity", "true")]),
            (
                &replicated,
                &[("bramble.rebalance", "true"), ("bramble.strategy", "binpack")],
            ),
            (
                &replicated,
                &[
                    ("bramble.depends_on", "db,web"),
                    ("com.docker.stack.namespace", "home"),
                ],
            ),
        ] {
            assert!(outcome(spec, labels).is_err(), "{labels:?}");
        }
    }

    #[test]
    fn a_board_has_the_device_or_something_in_the_folder() {
        let board = NodeDescription {
            devices: Some(vec!["/dev/snd/controlC0".to_owned(), "/dev/ttyUSB0".to_owned()]),
            ..NodeDescription::default()
        };
        let meets = |text| read("bramble.devices", text).unwrap().met_by(&board);
        assert!(meets("/dev/ttyUSB0,/dev/snd"));
        assert!(!meets("/dev/ttyUSB"));
        assert!(!meets("/dev/ttyUSB0,/dev/ttyUSB1"));
    }
}
