//! What a peer uses: the CPU time and the memory of all its processes, as Linux accounts for them.

use crate::error::Error;
use std::collections::BTreeMap;
use std::time::Duration;

/// Linux counts so for whoever asks, whatever its own clock is (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Memory of a tree of processes, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Memory {
    /// With shared pages split among those who share them.
    pub(crate) pss_kib: u64,
    pub(crate) rss_kib: u64,
}

/// What `/proc/<pid>/stat` says, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Its own, of all its threads.
    own: u64,
    /// Of its children that have ended.
    of_children: u64,
}

/// User and system time of a process, of its threads, and of its children, those that have ended included.
pub(crate) fn cpu(root: u32) -> Result<Duration, Error> {
    let ticks: u64 = tree(root)?.values().map(|stat| stat.own + stat.of_children).sum();
    Ok(TICK.mul_f64(ticks as f64))
}

/// Memory of a process and its children.
pub(crate) fn memory(root: u32) -> Result<Memory, Error> {
    let mut sum = Memory::default();
    for pid in tree(root)?.into_keys() {
        // A child may have ended since.
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        let one = parse_rollup(&text).ok_or_else(|| Error::Process { pid, reason: format!("smaps_rollup: {text}") })?;
        sum = Memory { pss_kib: sum.pss_kib + one.pss_kib, rss_kib: sum.rss_kib + one.rss_kib };
    }
    Ok(sum)
}

fn tree(root: u32) -> Result<BTreeMap<u32, Stat>, Error> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        all.extend(parse_stat(&text).map(|stat| (pid, stat)));
    }
    let mut found = BTreeMap::new();
    let mut generation = vec![root];
    while let Some(pid) = generation.pop() {
        found.extend(all.get(&pid).map(|stat| (pid, *stat)));
        generation.extend(all.iter().filter(|(_, stat)| stat.parent == pid).map(|(child, _)| *child));
    }
    if found.is_empty() {
        return Err(Error::Process { pid: root, reason: "it has ended".to_owned() });
    }
    Ok(found)
}

/// The program's name, which may hold anything, stands in parentheses before what is counted here.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let parent = u32::try_from(number(1)?).ok()?;
    Some(Stat { parent, own: number(11)? + number(12)?, of_children: number(13)? + number(14)? })
}

fn parse_rollup(text: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    Some(Memory { pss_kib: kib("Pss:")?, rss_kib: kib("Rss:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_a_name_with_parentheses() {
        let text = "812 (a ) b) S 7 812 812 0 -1 4194560 1 2 3 4 150 50 6 4 20 0 1 0 999 1 1\n";
        assert_eq!(parse_stat(text), Some(Stat { parent: 7, own: 200, of_children: 10 }));
        assert_eq!(parse_stat("812 (short) S 7"), None);
    }

    #[test]
    fn memory_is_read_from_the_sums_alone() {
        let text = "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:   5120 kB\nPss:   4096 kB\nPss_Anon:  1 kB\n";
        assert_eq!(parse_rollup(text), Some(Memory { pss_kib: 4096, rss_kib: 5120 }));
        assert_eq!(parse_rollup("Rss: 1 kB\n"), None);
    }

    #[test]
    fn our_own_process_uses_something() {
        assert!(memory(std::process::id()).unwrap().rss_kib > 100);
        assert!(cpu(std::process::id()).is_ok());
        assert!(cpu(u32::MAX).unwrap_err().to_string().contains("has ended"));
    }
}
