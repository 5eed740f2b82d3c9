//! Three machines with the same card on one LAN: a cluster, with no hands.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use lab::{
    Since,
    machine::{Hardware, Machine, Site},
};

use super::{
    Task,
    checks::{BOOT, PAGE, card_of, create, fetched, keep, load_image, log_of, reachable, running},
    story::Story,
};

const BOARDS: usize = 3;

pub fn cluster(task: &Task, story: &mut Story) -> Result<()> {
    let mut site = Site::new("image-cluster")?;
    form(task, story, &mut site)?;
    let log = log_of(&site);
    let machines = site.machines();
    story.step("each gets the image, from an archive", &log, || {
        machines.iter().try_for_each(load_image)
    })?;
    story.step("a service of three runs on three boards", &log, || {
        spread(&machines[0])
    })?;
    story.step("every board answers at the service's port", &log, || {
        machines
            .iter()
            .try_for_each(|machine| fetched(machine, 8080).map(drop))
    })?;
    keep(task, &site)
}

/// Switches three fresh machines on and waits until each of them sees three ready nodes.
pub fn form(task: &Task, story: &mut Story, site: &mut Site) -> Result<()> {
    let since = Since::now();
    for _ in 0..BOARDS {
        site.add(&task.image, Hardware::VIRT, &card_of("three", BOARDS))?
            .power_on()?;
    }
    let log = log_of(site);
    let machines = site.machines();
    story.step("three machines let us in", &log, || {
        machines.iter().try_for_each(reachable)
    })?;
    story.step("they are one cluster", &log, || {
        machines.iter().try_for_each(|machine| sees(machine, BOARDS))
    })?;
    story.note(format!("one cluster {:.0} s after power on", since.seconds()));
    Ok(())
}

/// Waits until a board sees so many ready nodes with names of their own.
pub fn sees(machine: &Machine, nodes: usize) -> Result<()> {
    machine.wait_for(&format!("{nodes} ready nodes"), BOOT, || {
        let all = machine
            .docker(&["node", "ls", "--format", "{{.Hostname}} {{.Status}}"])
            .ok()?;
        let names: BTreeSet<&str> = all
            .lines()
            .filter_map(|line| line.strip_suffix(" Ready"))
            .collect();
        ensure!(names.len() == nodes, "{all}");
        Ok(Some(()))
    })
}

fn spread(machine: &Machine) -> Result<()> {
    create(machine, "web", &["--replicas", "3", "--publish", "8080:80"], PAGE)?;
    let nodes: BTreeSet<String> = running(machine, "web", BOARDS)?.into_iter().collect();
    ensure!(nodes.len() == BOARDS, "the tasks are on {nodes:?}");
    Ok(())
}
