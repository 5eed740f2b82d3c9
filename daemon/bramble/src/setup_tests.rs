//! Setup in a folder that stands for a board.

use super::*;
use std::cell::RefCell;

#[derive(Default)]
struct Fake {
    named: RefCell<String>,
}

impl Tools for Fake {
    fn name(&self, name: &str) -> anyhow::Result<()> {
        name.clone_into(&mut self.named.borrow_mut());
        Ok(())
    }

    fn host_key(&self, to: &Path) -> anyhow::Result<()> {
        fs::write(to, format!("{:x}", rand::random::<u64>()))?;
        fs::write(to.with_extension("pub"), "public")?;
        Ok(())
    }
}

struct World {
    dir: tempfile::TempDir,
    tools: Fake,
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2mK9vqUcqwS4p4g3sP0m0Zk2pLJ0yq0yAk1m0f1nQz me";

impl World {
    fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
            tools: Fake::default(),
        };
        world.put("/proc/device-tree/serial-number", "100000003d1d1c36\0");
        world.put("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        world.put("/usr/share/zoneinfo/Europe/Berlin", "zone");
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        inside(self.dir.path(), path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    fn boot(&self) -> Vec<String> {
        let (root, tools) = (self.dir.path(), &self.tools);
        Setup { root, tools }.run()
    }

    /// All files of the board but the card, with their content.
    fn all(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("/run"), self.path("/data")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match fs::symlink_metadata(&path).unwrap().is_dir() {
                    true => folders.push(path),
                    false => found.push((path.clone(), fs::read(&path).unwrap_or_default())),
                }
            }
        }
        found.sort();
        found
    }
}

#[test]
fn a_card_makes_a_board() {
    let world = World::new();
    let card = format!(
        "hostname = 'shop-{{serial}}'\nssh-keys = ['{KEY}']\ntimezone = 'Europe/Berlin'\n[wifi]\nssid = 'home'\npassphrase = \
         'hunter22'\n"
    );
    world.put(CARD, &card);
    assert_eq!(world.boot(), [] as [&str; 0]);
    assert_eq!(*world.tools.named.borrow(), "shop-1d1c36");
    assert_eq!(world.text(AUTHORIZED_KEYS), format!("{KEY}\n"));
    assert_eq!(
        fs::read_link(world.path(card::LOCALTIME)).unwrap(),
        Path::new("/usr/share/zoneinfo/Europe/Berlin")
    );
    assert!(world.text(card::WIFI).contains("psk=\"hunter22\""));
    for secret in [card::WIFI, KEPT_CARD, HOST_KEY] {
        let mode = fs::metadata(world.path(secret)).unwrap().permissions().mode();
        assert!(mode & 0o077 == 0 || secret == HOST_KEY, "{secret}: {mode:o}");
    }
    let mode = fs::metadata(world.path(SETUP)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // The passphrase went, and the next start is the same.
    let left = world.text(CARD);
    assert!(
        !left.contains("hunter22") && left.contains("# wifi.passphrase: taken off on "),
        "{left}"
    );
    let before = world.all();
    assert_eq!(world.boot(), [] as [&str; 0]);
    assert_eq!(world.all(), before);
    assert_eq!(world.text(CARD), left);
    assert!(world.text(card::WIFI).contains("psk=\"hunter22\""));
}

#[test]
fn a_changed_card_wins() {
    let world = World::new();
    world.put(
        CARD,
        &format!("ssh-keys = ['{KEY}']\n[wifi]\nssid = 'home'\npassphrase = 'hunter22'\n"),
    );
    world.boot();
    let host_key = world.text(HOST_KEY);
    world.put(
        CARD,
        &world
            .text(CARD)
            .replace("# wifi.passphrase", "passphrase = 'newer one' #"),
    );
    assert_eq!(world.boot(), [] as [&str; 0]);
    assert!(world.text(card::WIFI).contains("psk=\"newer one\""));
    assert_eq!(world.text(HOST_KEY), host_key);
    world.put(CARD, "boards = 3");
    world.boot();
    assert!(!world.path(card::WIFI).exists() && !world.path(AUTHORIZED_KEYS).exists());
    assert_eq!(*world.tools.named.borrow(), "bramble-1d1c36");
}

#[test]
fn a_card_that_is_none_leaves_what_was() {
    let world = World::new();
    // A fresh board has nothing to miss.
    assert_eq!(world.boot(), [] as [&str; 0]);
    world.put(CARD, "hostname = 'kitchen'\n[network]\naddress = '10.0.0.2/8'\n[wifi]\nssid = 'home'\npassphrase = 'hunter22'\n");
    world.boot();
    let before = world.all();
    for (card, says) in [
        ("rubbish\n".repeat(40), "line 1"),
        (String::new(), "is empty"),
        ("\0".repeat(512), "is empty"),
    ] {
        world.put(CARD, &card);
        let problems = world.boot().join("\n");
        assert!(
            problems.contains(says) && problems.contains("runs with what it kept"),
            "{problems}"
        );
        assert_eq!(world.all(), before);
        assert_eq!(*world.tools.named.borrow(), "kitchen");
    }
    fs::remove_file(world.path(CARD)).unwrap();
    assert!(world.boot().join("\n").contains("no bramble.toml"));
    assert_eq!(world.all(), before);
}

#[test]
fn mistakes_are_told_and_the_rest_is_done() {
    let world = World::new();
    world.put(
        CARD,
        "hostname = 'kitchen'\ntimezone = 'Europe/Berlim'\nboards = 0\n[wifi]\nssid = 'home'\npassphrase = 'short'\n",
    );
    let problems = world.boot();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems[0].starts_with("bramble.toml, line 3: boards = 0"),
        "{problems:?}"
    );
    assert!(
        problems[2].contains("timezone = \"Europe/Berlim\""),
        "{problems:?}"
    );
    assert!(!problems.join("").contains("short"));
    assert_eq!(*world.tools.named.borrow(), "kitchen");
    assert!(!world.path(card::WIFI).exists());
}

#[test]
fn a_copied_card_gets_keys_of_its_own() {
    let world = World::new();
    world.put(CARD, &format!("ssh-keys = ['{KEY}']"));
    world.boot();
    let (host_key, name) = (world.text(HOST_KEY), world.tools.named.borrow().clone());
    assert_eq!(world.text(MACHINE_ID), "");
    world.put("/proc/device-tree/serial-number", "10000000aabbccdd\0");
    assert_eq!(world.boot(), [] as [&str; 0]);
    assert_ne!(world.text(HOST_KEY), host_key);
    assert_ne!(*world.tools.named.borrow(), name);
    let id = world.text(MACHINE_ID);
    assert_eq!(id.trim().len(), 32);
    world.boot();
    assert_eq!(world.text(MACHINE_ID), id);
}

#[test]
fn a_power_cut_while_the_passphrase_goes_is_made_up_for() {
    let world = World::new();
    world.put(CARD, "[wifi]\nssid = 'home'\npassphrase = 'hunter22'\n");
    // Written beside it, not yet renamed.
    world.put("/boot/firmware/bramble.new", "[wifi]\nssid = 'ho");
    assert_eq!(world.boot(), [] as [&str; 0]);
    assert!(!world.text(CARD).contains("hunter22"));
    assert!(!world.path("/boot/firmware/bramble.new").exists());
    assert!(world.text(card::WIFI).contains("hunter22"));
}
