//! One machine: does it start, is it what the image promises, do containers keep to their limits?

use anyhow::{Result, ensure};
use lab::{
    Since,
    machine::{Hardware, Machine, Site},
};

use super::{
    Task,
    checks::{DEED, JOIN_KEY, PAGE, card_of, checked, comes_up, create, fetched, keep, load_image, running},
    story::Story,
};

/// Memory that the limited container may have, in bytes.
const LIMIT: &str = "33554432";

pub fn boot(task: &Task, story: &mut Story) -> Result<()> {
    let mut site = Site::new("image-boot")?;
    let machine = site.add(&task.image, Hardware::VIRT, &card_of("one", 1))?;
    let since = Since::now();
    machine.power_on()?;
    comes_up(machine, story)?;
    story.note(format!("a ready member {:.0} s after power on", since.seconds()));
    let machine = &*machine;
    let log = machine.log();
    for line in story.step("what the image promises", &log, || {
        checked(machine, include_str!("on_board.sh"))
    })? {
        println!("     {line}");
    }
    story.step("an image is loaded from an archive", &log, || load_image(machine))?;
    story.step(
        "a service runs, in its limits, and answers at its port",
        &log,
        || serves(machine),
    )?;
    story.note(format!(
        "a service answered {:.0} s after power on",
        since.seconds()
    ));
    story.step("a task that eats memory is ended", &log, || eats(machine))?;
    story.step("the card keeps no join key", &log, || key_is_gone(machine))?;
    keep(task, &site)?;
    let machine = site.machine(1);
    story.step("switched off by its power key", &log, || machine.shut_down(DEED))
}

/// A service without a registry; its limits as the kernel has them.
fn serves(machine: &Machine) -> Result<()> {
    let flags = [
        "--limit-memory",
        LIMIT,
        "--limit-cpu",
        "0.5",
        "--publish",
        "8080:80",
    ];
    create(machine, "web", &flags, PAGE)?;
    running(machine, "web", 1)?;
    fetched(machine, 8080)?;
    let asked = "for file in memory.max cpu.max; do docker exec $(docker ps -q --filter name=web) cat /sys/fs/cgroup/$file; done";
    let seen = machine.sh(asked).ok()?;
    ensure!(
        seen == format!("{LIMIT}\n50000 100000"),
        "memory.max and cpu.max are {seen:?}"
    );
    Ok(())
}

/// More than its limit, in what swap in memory can't shrink to nothing: random bytes in a file system in memory.
fn eats(machine: &Machine) -> Result<()> {
    let eat = "x=$(head -c 100000000 /dev/urandom | base64)";
    let flags = ["--limit-memory", LIMIT, "--restart-condition", "none"];
    create(machine, "eater", &flags, eat)?;
    machine.wait_for("the eater's end", DEED, || {
        let state = machine
            .docker(&[
                "service",
                "ps",
                "--no-trunc",
                "--format",
                "{{.CurrentState}} {{.Error}}",
                "eater",
            ])
            .ok()?;
        ensure!(state.contains("Failed") && state.contains("137"), "{state}");
        Ok(Some(()))
    })
}

/// The secret was taken off the card, and off everything else that can be read.
fn key_is_gone(machine: &Machine) -> Result<()> {
    machine.wait_for("the join key off the card", DEED, || {
        let found = machine.sh(&format!("grep -c {JOIN_KEY} /boot/firmware/bramble.toml"));
        ensure!(
            found.stdout.trim() == "0",
            "grep -c says {:?} {:?}",
            found.stdout,
            found.stderr
        );
        Ok(Some(()))
    })
}
