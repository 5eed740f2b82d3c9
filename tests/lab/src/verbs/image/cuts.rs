//! Power cuts: wherever they fall, the next start ends in a working system.

use std::time::Duration;

use anyhow::Result;
use lab::{
    Since,
    machine::{Hardware, Machine, Site},
};

use super::{
    Task,
    checks::{card_of, checked, member, multi_user, reachable},
    story::Story,
};

/// Cuts in a first start, each with a fresh card, and in later starts, all with one card.
const FIRST_STARTS: u32 = 5;
const LATER_STARTS: u32 = 4;

pub fn cuts(task: &Task, story: &mut Story) -> Result<()> {
    let usual = first_starts(task, story)?;
    later_starts(task, story, usual)
}

/// A first start is measured; then it is cut at even parts of that time: in the initramfs, while the data partition grows, while
/// `bramble setup` writes, while the daemon founds its cluster.
fn first_starts(task: &Task, story: &mut Story) -> Result<Duration> {
    let mut site = Site::new("image-cuts")?;
    let machine = site.add(&task.image, Hardware::VIRT, &card_of("one", 1))?;
    machine.power_on()?;
    let usual = story.step("an undisturbed first start", &machine.log(), || works(machine))?;
    drop(site);
    for cut in 1..=FIRST_STARTS {
        let mut site = Site::new("image-cuts")?;
        let machine = site.add(&task.image, Hardware::VIRT, &card_of("one", 1))?;
        cut_and_start(machine, story, "first start", usual * cut / (FIRST_STARTS + 1))?;
    }
    story.note(format!(
        "{FIRST_STARTS} cuts in a first start: each next start worked"
    ));
    Ok(usual)
}

fn later_starts(task: &Task, story: &mut Story, usual: Duration) -> Result<()> {
    let mut site = Site::new("image-cuts")?;
    let machine = site.add(&task.image, Hardware::VIRT, &card_of("one", 1))?;
    machine.power_on()?;
    story.step("a first start", &machine.log(), || works(machine))?;
    machine.cut_power()?;
    for cut in 1..=LATER_STARTS {
        cut_and_start(machine, story, "later start", usual * cut / (LATER_STARTS + 1))?;
        machine.cut_power()?;
    }
    story.note(format!(
        "{LATER_STARTS} cuts in later starts, and as many at work: each next start worked"
    ));
    Ok(())
}

/// Starts, cuts after so long, starts again, and wants a working system.
fn cut_and_start(machine: &mut Machine, story: &mut Story, which: &str, after: Duration) -> Result<()> {
    machine.power_on()?;
    machine.runs_for(after)?;
    machine.cut_power()?;
    machine.power_on()?;
    let what = format!("{which} cut after {:.0} s, and the next", after.as_secs_f32());
    story.step(&what, &machine.log(), || works(machine)).map(drop)
}

/// Waits until all that the image promises is there. Gives how long that took.
pub fn works(machine: &Machine) -> Result<Duration> {
    let since = Since::now();
    reachable(machine)?;
    multi_user(machine)?;
    member(machine)?;
    let took = since.elapsed();
    checked(machine, include_str!("on_board.sh"))?;
    Ok(took)
}
