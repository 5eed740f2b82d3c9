//! The board itself: what it is becomes labels, a board that is not well gets no new tasks, its LED and its watchdog.

use anyhow::{Context as _, Result};
use bramble_e2e::{contains, docker, settled, until};
use lab::{Board, Lab};
use std::fs;
use std::io::Write as _;

const TEMPERATURE: &str = "sys/class/thermal/thermal_zone0/temp";
const LED: &str = "sys/class/leds/ACT/trigger";
const WATCHDOG: &str = "dev/watchdog0";

fn put(board: &Board, path: &str, text: &str) -> Result<()> {
    let path = board.hardware().join(path);
    fs::create_dir_all(path.parent().context("a folder")?)?;
    // In one step: the daemon may look at any moment.
    let next = path.with_extension("next");
    fs::write(&next, text)?;
    Ok(fs::rename(next, path)?)
}

fn read(board: &Board, path: &str) -> Result<String> {
    Ok(fs::read_to_string(board.hardware().join(path))?)
}

/// Gives the board the files of a Pi 5.
fn become_a_pi(board: &Board) -> Result<()> {
    for (path, text) in [
        ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
        ("proc/device-tree/serial-number", "9f8e7d6c5b4a3921\0"),
        (
            "proc/meminfo",
            "MemTotal:        8245440 kB\nMemAvailable:    7772440 kB\n",
        ),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        (TEMPERATURE, "44650\n"),
        (LED, "none timer heartbeat default-on [mmc0]\n"),
        (WATCHDOG, ""),
    ] {
        put(board, path, text)?;
    }
    Ok(())
}

/// A board that gets too hot keeps its tasks, says so, and gets new ones once it has cooled down.
#[test]
fn a_hot_board_is_spared() -> Result<()> {
    let lab = Lab::up("hardware", 2)?;
    let (manager, worker) = bramble_e2e::manager_and_worker(&lab);
    let (asked, pi) = (lab.board(manager), lab.board(worker));
    pi.stop()?;
    become_a_pi(pi)?;
    let mut card = fs::OpenOptions::new().append(true).open(pi.config())?;
    card.write_all(b"watchdog = true\n")?;
    pi.start()?;
    let inspect = format!(
        "node inspect --format {{{{.Description.Engine.Labels}}}}|{{{{.Status.State}}}} {}",
        pi.name()
    );
    let said = until(&lab, asked, &inspect, |said| {
        said.contains("|ready") && said.contains("bramble.model:pi-5")
    })?;
    contains(&said, "bramble.memory:8GB")?;

    let place = "service create -d --name=web --replicas=2 --constraint=engine.labels.bramble.model==pi-5 \
                 --stop-grace-period=1s busybox sleep 1000";
    docker(asked, place)?;
    settled(&lab, asked, "web", 2)?;
    lab.wait_for("the LED to show a member", bramble_e2e::PATIENCE, || {
        Ok((read(pi, LED)? == "heartbeat").then_some(()))
    })?;
    lab.wait_for("the watchdog to be fed", bramble_e2e::PATIENCE, || {
        Ok(read(pi, WATCHDOG)?.contains('\0').then_some(()))
    })?;

    put(pi, TEMPERATURE, "82198\n")?;
    let message = format!("node inspect --format {{{{.Status.Message}}}} {}", pi.name());
    until(&lab, asked, &message, |said| {
        said.contains("hot: 82 °C; no new tasks")
    })?;
    lab.wait_for("the LED to show trouble", bramble_e2e::PATIENCE, || {
        Ok((read(pi, LED)? == "timer").then_some(()))
    })?;
    let own = pi.api("GET", "/bramble/board", None)?.ok()?.json()?;
    assert_eq!(own["Model"], "Raspberry Pi 5 Model B Rev 1.0");
    assert_eq!(
        (&own["State"], &own["Problems"][0]),
        (&"worker".into(), &"hot: 82 °C".into())
    );
    assert_eq!(own["Readings"]["TemperatureCelsius"], 82.198);
    let text = pi.api("GET", "/metrics", None)?.ok()?.body;
    contains(&text, "bramble_board_temperature_celsius 82.198")?;
    contains(
        &text,
        "engine_daemon_container_states_containers{state=\"running\"} 2",
    )?;
    let text = asked.api("GET", "/metrics", None)?.ok()?.body;
    contains(&text, "swarm_manager_tasks_total{state=\"running\"} 2")?;
    contains(&pi.docker(&["info"]).stderr, "WARNING: hot: 82 °C")?;
    docker(asked, "service scale -d web=3")?;
    let refusal = "no suitable node (board is hot on 1 node; scheduling constraints not satisfied on 1 node)";
    until(&lab, asked, "service ps --no-trunc web", |said| {
        said.contains(refusal)
    })?;
    settled(&lab, asked, "web", 2)?;

    // Not yet well: it would be hot again at once.
    put(pi, TEMPERATURE, "76000\n")?;
    until(&lab, asked, &message, |said| said.contains("hot: 76 °C"))?;
    put(pi, TEMPERATURE, "74000\n")?;
    settled(&lab, asked, "web", 3)?;
    assert_eq!(docker(asked, &message)?.trim(), "");

    pi.stop()?;
    assert_eq!(read(pi, LED)?, "mmc0");
    assert!(
        read(pi, WATCHDOG)?.ends_with("\0V"),
        "the watchdog is stopped with the daemon"
    );
    Ok(())
}
