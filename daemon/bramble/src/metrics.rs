//! `GET /metrics`: numbers of this board and of its daemon for Prometheus, and of the cluster where its leader is.
//!
//! They are gathered when asked for. How many there are depends on states and kinds, never on how many nodes, services or tasks
//! there are. Where Docker's engine has a metric of the same meaning, it has the same name here.

use crate::backend::Backend;
use crate::sensors::Hardware;
use board::Readings;
use manager::Manager;
use model::{LocalContainer, LocalState, NodeState, TaskState};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Numbers that only grow, and those that go up and down.
type Kind<T> = (&'static str, &'static str, fn(&Readings) -> Option<T>);

const GROWING: &[Kind<u64>] = &[
    (
        "disk_read_bytes",
        "Read from the data partition's disk since the start",
        |of| of.disk_read_bytes,
    ),
    (
        "disk_written_bytes",
        "Written to the data partition's disk since the start",
        |of| of.disk_written_bytes,
    ),
    (
        "data_lifetime_written_bytes",
        "Written to the data partition in its life",
        |of| of.data_lifetime_written_bytes,
    ),
    (
        "card_errors",
        "Failed commands and damaged transfers of the card since the start",
        |of| of.card_errors,
    ),
];

const MOVING: &[Kind<f64>] = &[
    ("temperature_celsius", "Temperature of the processor", |of| {
        of.temperature_celsius
    }),
    (
        "hot_from_celsius",
        "From here on the board gets no new tasks",
        |of| of.hot_from_celsius,
    ),
    (
        "under_voltage",
        "Whether the power supply gives too little",
        |of| truth(of.under_voltage),
    ),
    (
        "under_voltage_since_boot",
        "Whether it did since the start",
        |of| truth(of.under_voltage_since_boot),
    ),
    (
        "frequency_capped",
        "Whether the firmware limits the clock",
        |of| truth(of.frequency_capped),
    ),
    (
        "throttled",
        "Whether the firmware slows the processor down",
        |of| truth(of.throttled),
    ),
    (
        "throttled_since_boot",
        "Whether the firmware limited or slowed it since the start",
        |of| truth(of.throttled_since_boot),
    ),
    (
        "soft_temperature_limit",
        "Whether the firmware's soft limit of temperature is reached",
        |of| truth(of.soft_temperature_limit),
    ),
    ("supply_amperes", "What the power supply says it can give", |of| {
        of.supply_milliamperes.map(|of| f64::from(of) / 1e3)
    }),
    ("fan_rpm", "Turns of the fan in a minute", |of| {
        of.fan_rpm.map(f64::from)
    }),
    ("clock_hertz", "Clock of the processor", |of| {
        of.clock_megahertz.map(|of| f64::from(of) * 1e6)
    }),
    (
        "load1",
        "Processes that run or wait for a disk, over one minute",
        |of| of.load1,
    ),
    (
        "cpu_pressure_ratio",
        "Share of the last ten seconds in which a process waited for a processor",
        |of| ratio(of.cpu_pressure_percent),
    ),
    ("memory_pressure_ratio", "The same for memory", |of| {
        ratio(of.memory_pressure_percent)
    }),
    ("io_pressure_ratio", "The same for a disk", |of| {
        ratio(of.io_pressure_percent)
    }),
    ("memory_bytes", "All memory", |of| size(of.memory_total_bytes)),
    (
        "memory_available_bytes",
        "Memory that can be had without swapping",
        |of| size(of.memory_available_bytes),
    ),
    ("uptime_seconds", "Time since the board's start", |of| {
        of.uptime_seconds
    }),
    (
        "data_read_only",
        "Whether nothing can be written to the data partition",
        |of| truth(of.data_read_only),
    ),
    ("data_bytes", "Size of the data partition", |of| {
        size(of.data_total_bytes)
    }),
    ("data_free_bytes", "What is left of the data partition", |of| {
        size(of.data_free_bytes)
    }),
    (
        "data_file_system_errors",
        "Faults that the data partition's file system found",
        |of| size(of.data_errors),
    ),
    (
        "card_life_used_ratio",
        "How much of the card's life is used",
        |of| of.card_life_used_percent.map(|of| of as f64 / 1e2),
    ),
    (
        "card_spare_level",
        "Spare blocks of the card: 1 enough, 2 four fifths used, 3 all but used",
        |of| size(of.card_spare_level),
    ),
];

fn truth(value: Option<bool>) -> Option<f64> {
    value.map(|is| f64::from(u8::from(is)))
}

fn ratio(percent: Option<f64>) -> Option<f64> {
    percent.map(|percent| percent / 100.0)
}

/// Exact up to 2^53, which is more than any disk has.
fn size(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

/// What Prometheus reads (OpenMetrics 1.0).
///
/// # Errors
/// None that is known: text always takes more text.
pub async fn gather(backend: &Backend) -> Result<String, std::fmt::Error> {
    let node = &backend.node;
    let mut all = Registry::default();
    all.register(
        "bramble_build",
        "This daemon",
        Info::new([("version", env!("CARGO_PKG_VERSION"))]),
    );
    of_process(&mut all);
    of_board(&mut all, &node.hardware.borrow());
    // What can't be counted now is no reason to say nothing of the board.
    if let Ok(containers) = api::Local::containers(backend).await {
        of_containers(&mut all, &containers);
    }
    let connected = node.orders.borrow().connected;
    flag(
        &mut all,
        "bramble_session_connected",
        "Whether there is a session with the leader",
        connected,
    );
    let manager = node.manager.borrow().clone();
    flag(
        &mut all,
        "swarm_node_manager",
        "Whether this node is a manager",
        manager.is_some(),
    );
    if let Some(manager) = manager {
        of_manager(&mut all, &manager);
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &all)?;
    Ok(text)
}

fn flag(all: &mut Registry, name: &str, help: &str, is: bool) {
    all.register(name, help, ConstGauge::new(i64::from(is)));
}

fn count(all: &mut Registry, name: &str, help: &str, count: usize) {
    all.register(
        name,
        help,
        ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)),
    );
}

/// One number for each state.
fn by_state(all: &mut Registry, name: &str, help: &str, states: impl Iterator<Item = (&'static str, usize)>) {
    let family = Family::<[(&'static str, &'static str); 1], Gauge>::default();
    for (state, count) in states {
        family
            .get_or_create(&[("state", state)])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    all.register(name, help, family);
}

/// The names that Prometheus' own libraries use.
fn of_process(all: &mut Registry) {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let spent = usage.user_time() + usage.system_time();
        let seconds = spent.num_microseconds() as f64 / 1e6;
        all.register(
            "process_cpu_seconds",
            "Processor time of the daemon",
            ConstCounter::new(seconds),
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<i64>().ok());
    if let Some(kib) = resident {
        let bytes = ConstGauge::new(kib.saturating_mul(1024));
        all.register("process_resident_memory_bytes", "Memory of the daemon", bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        count(all, "process_open_fds", "Open files of the daemon", open.count());
    }
}

fn of_board(all: &mut Registry, hardware: &Hardware) {
    let all = all.sub_registry_with_prefix("bramble_board");
    if let Some(model) = hardware.facts.model.clone() {
        all.register("model", "The board", Info::new([("model", model)]));
    }
    for (name, help, read) in GROWING {
        if let Some(value) = read(&hardware.readings) {
            all.register(*name, *help, ConstCounter::new(value));
        }
    }
    for (name, help, read) in MOVING {
        if let Some(value) = read(&hardware.readings) {
            all.register(*name, *help, ConstGauge::new(value));
        }
    }
    let unfit = hardware.condition.refusal().is_some();
    flag(
        all,
        "unfit",
        "Whether the board gets no new tasks because it is not well",
        unfit,
    );
}

fn of_containers(all: &mut Registry, containers: &[LocalContainer]) {
    let with = |fits: fn(LocalState) -> bool| containers.iter().filter(|one| fits(one.state)).count();
    let states = [
        ("running", with(|state| state == LocalState::Running)),
        ("paused", with(|state| state == LocalState::Paused)),
        (
            "stopped",
            with(|state| matches!(state, LocalState::Created | LocalState::Exited)),
        ),
    ];
    let help = "Containers on this board";
    by_state(
        all,
        "engine_daemon_container_states_containers",
        help,
        states.into_iter(),
    );
}

fn of_manager(all: &mut Registry, manager: &Manager) {
    let standing = manager.store().standing().borrow().clone();
    flag(
        all,
        "swarm_manager_leader",
        "Whether this manager leads",
        standing.i_lead,
    );
    flag(
        all,
        "bramble_raft_quorum",
        "Whether a majority of managers is there",
        standing.quorum,
    );
    let term = i64::try_from(standing.term).unwrap_or(i64::MAX);
    all.register("bramble_raft_term", "Term of Raft", ConstGauge::new(term));
    let applied = i64::try_from(manager.store().applied()).unwrap_or(i64::MAX);
    all.register(
        "bramble_raft_applied_index",
        "Last entry of the log that was applied here",
        ConstGauge::new(applied),
    );
    if standing.i_lead {
        of_cluster(all, manager);
    }
}

/// Only of the leader, who alone knows what nodes said last: so no sum counts a thing twice.
fn of_cluster(all: &mut Registry, manager: &Manager) {
    let seen = manager.seen();
    let nodes: Vec<NodeState> = seen
        .view
        .nodes()
        .map(|node| seen.node(node).status.state)
        .collect();
    let states = [
        ("unknown", NodeState::Unknown),
        ("down", NodeState::Down),
        ("ready", NodeState::Ready),
        ("disconnected", NodeState::Disconnected),
    ];
    let states = states.map(|(name, state)| (name, nodes.iter().filter(|is| **is == state).count()));
    by_state(
        all,
        "swarm_manager_nodes",
        "Nodes of the cluster",
        states.into_iter(),
    );
    let tasks: Vec<TaskState> = seen
        .view
        .tasks()
        .map(|task| seen.task(task).status.state)
        .collect();
    let states =
        TaskState::ALL.map(|state| (state.as_str(), tasks.iter().filter(|is| **is == state).count()));
    by_state(
        all,
        "swarm_manager_tasks_total",
        "Tasks of the cluster",
        states.into_iter(),
    );
    for (name, help, number) in [
        (
            "swarm_manager_services_total",
            "Services of the cluster",
            seen.view.services().count(),
        ),
        (
            "swarm_manager_networks_total",
            "Networks of the cluster",
            seen.view.networks().count(),
        ),
        (
            "swarm_manager_secrets_total",
            "Secrets of the cluster",
            seen.view.secrets().count(),
        ),
        (
            "swarm_manager_configs_total",
            "Configs of the cluster",
            seen.view.configs().count(),
        ),
    ] {
        count(all, name, help, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(all: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, all).unwrap();
        text
    }

    #[test]
    fn only_what_is_known_is_told() {
        let mut hardware = Hardware::default();
        hardware.readings.temperature_celsius = Some(44.65);
        hardware.readings.under_voltage = Some(false);
        hardware.readings.disk_written_bytes = Some(4096);
        let mut all = Registry::default();
        of_board(&mut all, &hardware);
        let text = text(&all);
        for line in [
            "bramble_board_temperature_celsius 44.65",
            "bramble_board_under_voltage 0",
            "bramble_board_disk_written_bytes_total 4096",
            "bramble_board_unfit 0",
            "# TYPE bramble_board_temperature_celsius gauge",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("throttled"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn the_daemon_tells_of_itself() {
        let mut all = Registry::default();
        of_process(&mut all);
        let text = text(&all);
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }

    #[test]
    fn states_are_labels_and_none_is_left_out() {
        let mut all = Registry::default();
        of_containers(&mut all, &[]);
        assert!(text(&all).contains("engine_daemon_container_states_containers{state=\"paused\"} 0"));
    }
}
