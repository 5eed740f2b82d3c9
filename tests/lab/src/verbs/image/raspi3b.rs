//! QEMU's Raspberry Pi 3: whether kernel, device tree and the card's controller fit. Slow, as its processors and devices are emulated.

use std::time::Duration;

use anyhow::Result;
use lab::{
    Since,
    machine::{Hardware, Site},
};

use super::{Task, checks::card_of, story::Story};

/// The initramfs has found the card, checked the root and mounted all.
const MOUNTED: Duration = Duration::from_secs(1800);

pub fn raspi3b(task: &Task, story: &mut Story) -> Result<()> {
    let mut site = Site::new("image-raspi3b")?;
    let machine = site.add(&task.image, Hardware::PI3, &card_of("one", 1))?;
    let since = Since::now();
    machine.power_on()?;
    let version = story.step(
        "the card is found, its root verified and mounted",
        &machine.log(),
        || machine.expect("bramble: version ", MOUNTED),
    )?;
    story.note(format!(
        "version {version} mounted {:.0} s after power on",
        since.seconds()
    ));
    Ok(())
}
