//! How much memory this process may still have. Beyond it an allocation fails, or the kernel kills this process or another,
//! so whoever can do without looks first.

use std::fs::read_to_string;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// How many more bytes of address space the process may have; `None` where it is not limited (`ulimit -v`, `ulimit -d`).
pub(crate) fn address_space_left() -> Option<u64> {
    let [address_space, data] = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    if address_space.is_none() && data.is_none() {
        return None;
    }
    // In pages: size, resident, shared, text, 0, data (proc_pid_statm(5)).
    let statm = read_to_string("/proc/self/statm").unwrap_or_default();
    let bytes = |field: usize| {
        let pages = statm
            .split_ascii_whitespace()
            .nth(field)
            .and_then(|pages| pages.parse::<u64>().ok());
        pages.unwrap_or(0).saturating_mul(rustix::param::page_size() as u64)
    };
    let left = |limit: Option<u64>, field| limit.map(|limit| limit.saturating_sub(bytes(field)));
    [left(address_space, 0), left(data, 5)].into_iter().flatten().min()
}

/// How many bytes of memory can be had without taking them from another process; `None` where the system does not say.
///
/// That is what the machine has left, or less: what a control group of this process has, as a container's.
pub(crate) fn available() -> Option<u64> {
    let machine = read_to_string("/proc/meminfo").ok().and_then(|told| of_machine(&told));
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    machine
        .into_iter()
        .chain(of_groups(&groups, Path::new("/sys/fs/cgroup")))
        .min()
}

/// What the system calls available, in bytes (proc_meminfo(5)).
fn of_machine(meminfo: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// The files of one version of control groups that say what a group may have and has (cgroups(7), and the kernel's
/// admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst).
struct GroupFiles {
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`: the files' pages, which the system takes back where the limit is reached.
    reclaimable: [&'static str; 2],
}

const V1: GroupFiles = GroupFiles {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: ["total_inactive_file", "total_active_file"],
};
const V2: GroupFiles = GroupFiles {
    limit: "memory.max",
    used: "memory.current",
    reclaimable: ["inactive_file", "active_file"],
};

/// What the groups named in `membership`, the text of /proc/self/cgroup, have left in bytes. They are shown at `mount`.
fn of_groups(membership: &str, mount: &Path) -> Option<u64> {
    let lines = membership.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "" => Some((mount.to_owned(), path, V2)),
            _ if controllers.split(',').any(|it| it == "memory") => Some((mount.join("memory"), path, V1)),
            _ => None,
        }
    });
    // A limit binds all groups below. In a container the upper ones are not shown, and its own is the root.
    let left = lines.flat_map(|(mount, path, files)| {
        let groups = Path::new(path.trim_start_matches('/')).ancestors();
        groups.filter_map(move |group| of_group(&mount.join(group), &files))
    });
    left.min()
}

/// What one group has left; `None` where it has no limit, or is not there.
fn of_group(group: &Path, files: &GroupFiles) -> Option<u64> {
    let number = |name: &str| -> Option<u64> { read_to_string(group.join(name)).ok()?.trim().parse().ok() };
    let limit = number(files.limit)?;
    let used = number(files.used)?;
    let stat = read_to_string(group.join("memory.stat")).unwrap_or_default();
    let fields = stat.lines().filter_map(|line| line.split_once(' '));
    let reclaimable: u64 = fields
        .filter(|(name, _)| files.reclaimable.contains(name))
        .filter_map(|(_, bytes)| bytes.parse::<u64>().ok())
        .sum();
    Some(limit.saturating_sub(used.saturating_sub(reclaimable)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_machine_says_what_is_available() {
        let meminfo = "MemTotal:       24683604 kB\nMemFree:         1000 kB\nMemAvailable:   20581400 kB\n";
        assert_eq!(of_machine(meminfo), Some(20_581_400 * 1024));
        for odd in ["", "MemAvailable:", "MemAvailable: 12 MB", "MemAvailable: -1 kB"] {
            assert_eq!(of_machine(odd), None, "{odd:?}");
        }
        // What runs a test has a megabyte to spare.
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
    }

    fn group(dir: &Path, files: [(&str, &str); 3]) {
        fs::create_dir_all(dir).unwrap();
        for (name, text) in files {
            fs::write(dir.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_narrowest_group_counts_and_files_can_leave_memory() {
        let mount = tempfile::tempdir().unwrap();
        let stat = |text| ("memory.stat", text);
        let parent = mount.path().join("service");
        let files = stat("anon 70\ninactive_file 20\nactive_file 10\nfile 30\n");
        group(&parent, [("memory.max", "1000\n"), ("memory.current", "100\n"), files]);
        let child = parent.join("worker");
        group(&child, [("memory.max", "max\n"), ("memory.current", "50\n"), stat("")]);
        assert_eq!(of_groups("0::/service/worker\n", mount.path()), Some(930));
        group(&child, [("memory.max", "60\n"), ("memory.current", "50\n"), stat("")]);
        assert_eq!(of_groups("0::/service/worker\n", mount.path()), Some(10));
        group(&child, [("memory.max", "40\n"), ("memory.current", "50\n"), stat("")]);
        assert_eq!(of_groups("0::/service/worker\n", mount.path()), Some(0));
        // As in a container: the group's own files are at the root, whatever its path is called outside.
        let own = [("memory.max", "500\n"), ("memory.current", "100\n"), stat("")];
        group(mount.path(), own);
        assert_eq!(of_groups("0::/kubepods/pod7\n", mount.path()), Some(400));
        assert_eq!(of_groups("0::/\n", mount.path()), Some(400));
    }

    #[test]
    fn groups_of_the_first_version_are_found_by_their_controller() {
        let mount = tempfile::tempdir().unwrap();
        let limits = [
            ("memory.limit_in_bytes", "1000\n"),
            ("memory.usage_in_bytes", "400\n"),
            (
                "memory.stat",
                "active_file 1\ntotal_inactive_file 60\ntotal_active_file 40\n",
            ),
        ];
        group(&mount.path().join("memory/service"), limits);
        let membership = "7:blkio:/other\n4:cpu,memory:/service\n0::/\n";
        assert_eq!(of_groups(membership, mount.path()), Some(700));
        assert_eq!(of_groups("7:memories:/service\n", mount.path()), None);
        assert_eq!(of_groups("nonsense", mount.path()), None);
    }
}
