//! The processes that came of a command, as /proc shows them, and whether one of them holds a lock of the login. It
//! only looks.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lockspan_core::names::LOCKS;
use lockspan_core::record::Record;
use lockspan_lock::kernel::{Kernel, Place};
use lockspan_lock::linux::Linux;
use nix::unistd::{Pid, getpgrp, getpid};
use procfs::process::{self, Process};

/// The living descendants of this process. It adopts those whose parents die (`parent.rs`), so that none gets lost.
pub struct Family(Vec<Member>);

struct Member {
    pid: Pid,
    group: Pid,
}

impl Family {
    /// Looks at all processes. Where /proc is not to be had, `child` alone.
    pub fn of(child: Pid) -> Family {
        let Ok(processes) = process::all_processes() else {
            let is_there = nix::sys::signal::kill(child, None).is_ok();
            let alone = Member { pid: child, group: getpgrp() };
            return Family(is_there.then_some(alone).into_iter().collect());
        };
        let stats: Vec<_> = processes.filter_map(|process| process.ok()?.stat().ok()).collect();
        let mut pids = HashSet::from([getpid().as_raw()]);
        // A parent may come after its child: numbers start again some time.
        loop {
            let before = pids.len();
            pids.extend(
                stats
                    .iter()
                    .filter(|stat| pids.contains(&stat.ppid))
                    .map(|stat| stat.pid)
                    .collect::<Vec<_>>(),
            );
            if pids.len() == before {
                break;
            }
        }
        let own = getpid().as_raw();
        let lives = |state: char| !matches!(state, 'Z' | 'X');
        let members =
            stats.iter().filter(|stat| stat.pid != own && pids.contains(&stat.pid) && lives(stat.state));
        Family(
            members
                .map(|stat| Member { pid: Pid::from_raw(stat.pid), group: Pid::from_raw(stat.pgrp) })
                .collect(),
        )
    }

    /// The command itself, and all that have not left the process group that it was started in: those that
    /// timeout(1) would signal.
    pub fn in_group(&self, child: Pid) -> impl Iterator<Item = Pid> {
        let group = getpgrp();
        self.0
            .iter()
            .filter(move |member| member.pid == child || member.group == group)
            .map(|member| member.pid)
    }

    /// Whether one of them holds a lock of this config directory.
    pub fn holds_lock(&self, directory: &Path) -> bool {
        LOCKS.iter().any(|names| {
            let mut kernel = Linux::new();
            let served = kernel.serve_path(directory.as_os_str().as_bytes(), names);
            served.is_some() && holder(&mut kernel).is_some_and(|record| self.has(&record))
        })
    }

    /// Whether it is one of them that a record names, in its own pid namespace.
    fn has(&self, record: &Record) -> bool {
        self.0.iter().any(|member| {
            let number = || {
                let process = Process::new(member.pid.as_raw()).ok()?;
                let namespace = process.namespaces().ok()?.0.get(OsStr::new("pid"))?.identifier;
                let own_number = process.status().ok()?.nspid?.last().copied()?;
                Some((namespace, u32::try_from(own_number).ok()?))
            };
            number() == Some((record.pid_namespace, record.pid))
        })
    }
}

/// The record of a lock that a live process of this kernel holds.
fn holder(kernel: &mut Linux) -> Option<Record> {
    let lock = kernel.stat(Place::Lock).ok()?.identity;
    let record = kernel.read_record(Place::Record)?;
    let here = kernel.owner().boot == Some(record.boot);
    (here && record.names(lock) && !record.left && kernel.guard_refused()).then_some(record)
}
