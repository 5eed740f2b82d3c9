//! What a container uses: from control groups of either version, and the counters of its interfaces.

use super::{Local, Refused};
use model::{LocalContainer, LocalSample, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Nanoseconds in the kernel's ticks (USER_HZ is 100 on all platforms of Linux).
const TICK: u64 = 10_000_000;

impl Local {
    /// What a container has used up to now; nothing if it does not run.
    ///
    /// # Errors
    /// If the kernel's files can't be read.
    pub async fn sample(&self, container: &LocalContainer) -> Result<LocalSample, Refused> {
        let (id, pid) = (container.id.clone(), container.pid);
        let sample = tokio::task::spawn_blocking(move || sample(Path::new("/"), &id, pid)).await;
        sample.map_err(|error| Refused::Failed(error.to_string()))
    }
}

fn sample(root: &Path, id: &str, pid: u32) -> LocalSample {
    let mut sample = LocalSample {
        at: Timestamp::now(),
        ..LocalSample::default()
    };
    if pid == 0 {
        return sample;
    }
    let stat = text(&root.join("proc/stat"));
    sample.board_cpu = board_cpu(&stat);
    let processors = stat
        .lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    sample.processors = processors.count() as u64;
    let whole = keyed(&text(&root.join("proc/meminfo")).replace(':', ""));
    let whole = whole.get("MemTotal").copied().unwrap_or(0) * 1024;
    let groups = root.join("sys/fs/cgroup");
    if groups.join("cgroup.controllers").exists() {
        second(&mut sample, &groups.join("bramble").join(id));
    } else {
        first(&mut sample, &|controller| {
            groups.join(controller).join("bramble").join(id)
        });
    }
    // No limit is a very large number in version 1 and a word in version 2: then it is all that the board has.
    if sample.memory.2 == 0 || sample.memory.2 > whole {
        sample.memory.2 = whole;
    }
    sample.networks = networks(&text(&root.join(format!("proc/{pid}/net/dev"))));
    sample
}

/// Control groups of version 2.
fn second(sample: &mut LocalSample, group: &Path) {
    let cpu = keyed(&text(&group.join("cpu.stat")));
    let of = |name: &str| cpu.get(name).copied().unwrap_or(0);
    sample.cpu = (
        of("usage_usec") * 1000,
        of("system_usec") * 1000,
        of("user_usec") * 1000,
    );
    sample.throttled = (of("nr_periods"), of("nr_throttled"), of("throttled_usec") * 1000);
    sample.memory = (
        number(&group.join("memory.current")).unwrap_or(0),
        None,
        number(&group.join("memory.max")).unwrap_or(0),
    );
    sample.memory_stats = keyed(&text(&group.join("memory.stat")));
    sample.pids = (
        number(&group.join("pids.current")).unwrap_or(0),
        number(&group.join("pids.max")),
    );
    for line in text(&group.join("io.stat")).lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else {
            continue;
        };
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let op = match name {
                "rbytes" => "read",
                "wbytes" => "write",
                _ => continue,
            };
            sample
                .blocks
                .push((major, minor, op.to_owned(), value.parse().unwrap_or(0)));
        }
    }
}

/// Control groups of version 1: a folder for each controller.
fn first(sample: &mut LocalSample, group: &dyn Fn(&str) -> PathBuf) {
    let accounts = group("cpuacct");
    let ticks = keyed(&text(&accounts.join("cpuacct.stat")));
    let of = |name: &str| ticks.get(name).copied().unwrap_or(0) * TICK;
    sample.cpu = (
        number(&accounts.join("cpuacct.usage")).unwrap_or(0),
        of("system"),
        of("user"),
    );
    let per_cpu = text(&accounts.join("cpuacct.usage_percpu"));
    sample.per_cpu = per_cpu
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let cpu = keyed(&text(&group("cpu").join("cpu.stat")));
    let of = |name: &str| cpu.get(name).copied().unwrap_or(0);
    sample.throttled = (of("nr_periods"), of("nr_throttled"), of("throttled_time"));
    let memory = group("memory");
    sample.memory = (
        number(&memory.join("memory.usage_in_bytes")).unwrap_or(0),
        number(&memory.join("memory.max_usage_in_bytes")),
        number(&memory.join("memory.limit_in_bytes")).unwrap_or(0),
    );
    sample.memory_stats = keyed(&text(&memory.join("memory.stat")));
    let pids = group("pids");
    sample.pids = (
        number(&pids.join("pids.current")).unwrap_or(0),
        number(&pids.join("pids.max")),
    );
    for line in text(&group("blkio").join("blkio.throttle.io_service_bytes")).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [place, op, bytes] = words[..]
            && let (Some((major, minor)), Ok(bytes)) = (device(place), bytes.parse())
        {
            sample.blocks.push((major, minor, op.to_lowercase(), bytes));
        }
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn number(path: &Path) -> Option<u64> {
    text(path).trim().parse().ok()
}

/// Lines of a name and a number.
fn keyed(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// `8:0`
fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The first line of `/proc/stat`: user to steal (guests are counted in user already).
fn board_cpu(stat: &str) -> u64 {
    let line = stat.lines().next().unwrap_or_default();
    let ticks = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|word| word.parse::<u64>().ok());
    ticks.sum::<u64>() * TICK
}

/// `/proc/PID/net/dev`, without the loopback.
fn networks(text: &str) -> Vec<(String, [u64; 8])> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let all: Vec<u64> = numbers
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let at = |index: usize| all.get(index).copied().unwrap_or(0);
        let counters = [at(0), at(1), at(2), at(3), at(8), at(9), at(10), at(11)];
        Some((name.trim().to_owned(), counters)).filter(|(name, _)| name != "lo")
    };
    text.lines().skip(2).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    const COMMON: [(&str, &str); 3] = [
        ("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 9\ncpu0 1\ncpu1 1\n"),
        ("proc/meminfo", "MemTotal:  1000 kB\n"),
        (
            "proc/7/net/dev",
            "Inter-|\n face |\n  eth0: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n",
        ),
    ];

    #[test]
    fn both_versions_of_control_groups_tell_the_same() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path(), &COMMON);
        write(two.path(), &COMMON);
        let groups = "sys/fs/cgroup";
        write(
            one.path(),
            &[
                (&format!("{groups}/cpuacct/bramble/x/cpuacct.usage"), "5000"),
                (
                    &format!("{groups}/memory/bramble/x/memory.usage_in_bytes"),
                    "4096",
                ),
                (
                    &format!("{groups}/memory/bramble/x/memory.limit_in_bytes"),
                    "9223372036854771712",
                ),
                (&format!("{groups}/pids/bramble/x/pids.current"), "3"),
                (
                    &format!("{groups}/blkio/bramble/x/blkio.throttle.io_service_bytes"),
                    "8:0 Read 10\n8:0 Write 20\nTotal 30\n",
                ),
            ],
        );
        write(
            two.path(),
            &[
                (&format!("{groups}/cgroup.controllers"), "cpu"),
                (
                    &format!("{groups}/bramble/x/cpu.stat"),
                    "usage_usec 5\nuser_usec 4\n",
                ),
                (&format!("{groups}/bramble/x/memory.current"), "4096"),
                (&format!("{groups}/bramble/x/memory.max"), "max"),
                (&format!("{groups}/bramble/x/pids.current"), "3"),
                (
                    &format!("{groups}/bramble/x/io.stat"),
                    "8:0 rbytes=10 wbytes=20 rios=1\n",
                ),
            ],
        );
        for root in [one.path(), two.path()] {
            let sample = sample(root, "x", 7);
            assert_eq!(sample.cpu.0, 5000);
            assert_eq!((sample.memory.0, sample.memory.2), (4096, 1_024_000));
            assert_eq!(
                (sample.pids.0, sample.processors, sample.board_cpu),
                (3, 2, 36 * TICK)
            );
            assert_eq!(sample.networks, [("eth0".to_owned(), [10, 1, 0, 0, 20, 2, 0, 0])]);
            assert_eq!(
                sample.blocks,
                [(8, 0, "read".to_owned(), 10), (8, 0, "write".to_owned(), 20)]
            );
        }
        assert_eq!(super::sample(one.path(), "x", 0).cpu.0, 0);
    }
}
