//! Starting processes in other namespaces: with `usage.rs` the only files of the lab with `unsafe` code.
//!
//! The closures below run between fork and exec. They make raw system calls on values prepared before the fork and
//! must not allocate, lock or print.

#![allow(unsafe_code, reason = "namespaces are left and entered between fork and exec; see above")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Gid, Signal, Uid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// Starts `command` as the first process of a new pid namespace, with a new network and a new mount namespace.
///
/// It is killed when the calling thread ends, and with it, being the first process of its pid namespace, everything
/// that it started. The calling thread's later children land in the new pid namespace too, so call this once.
pub fn spawn_sandbox(command: &mut Command) -> io::Result<Child> {
    // SAFETY: a new pid namespace for children shares nothing away from this process: no CLONE_FILES, no CLONE_FS.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWPID) }?;
    // SAFETY: only raw system calls, see the module's head.
    unsafe {
        command.pre_exec(|| {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET)?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        });
    }
    command.spawn()
}

/// Gives the calling process a mount namespace of its own and, for its children, a pid namespace if wanted.
pub fn separate(pid_namespace: bool) -> io::Result<()> {
    let mut flags = UnshareFlags::NEWNS;
    if pid_namespace {
        flags |= UnshareFlags::NEWPID;
    }
    // SAFETY: as in `spawn_sandbox`; NEWNS implies CLONE_FS, and the caller has a single thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}

/// The namespaces of a container, kept alive by these descriptors.
pub struct Namespaces {
    mount: OwnedFd,
    pid: Option<OwnedFd>,
}

impl Namespaces {
    /// Those of a process, or, for the pid namespace, of its children.
    pub fn of(process: u32, pid_namespace: bool) -> io::Result<Self> {
        let open = |name: &str| File::open(format!("/proc/{process}/ns/{name}")).map(OwnedFd::from);
        Ok(Self { mount: open("mnt")?, pid: pid_namespace.then(|| open("pid_for_children")).transpose()? })
    }

    /// Starts `command` in these namespaces, as user and group `uid`, in `directory`.
    pub fn spawn(&self, command: &mut Command, uid: u32, directory: &Path) -> io::Result<Child> {
        let mount = self.mount.try_clone()?;
        let directory = std::ffi::CString::new(directory.as_os_str().as_encoded_bytes())?;
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
        // SAFETY: only raw system calls, see the module's head.
        unsafe {
            command.pre_exec(move || {
                rustix::thread::move_into_link_name_space(mount.as_fd(), Some(LinkNameSpaceType::Mount))?;
                rustix::process::chdir(directory.as_c_str())?;
                if uid != 0 {
                    rustix::thread::set_thread_groups(&[])?;
                    rustix::thread::set_thread_res_gid(group, group, group)?;
                    rustix::thread::set_thread_res_uid(user, user, user)?;
                }
                Ok(())
            });
        }
        let Some(pid) = &self.pid else {
            return command.spawn();
        };
        // Which pid namespace a child lands in is decided by the thread that forks.
        let own = File::open("/proc/self/ns/pid")?;
        let enter = |namespace: std::os::fd::BorrowedFd<'_>| {
            rustix::thread::move_into_link_name_space(namespace, Some(LinkNameSpaceType::ProcessID))
        };
        enter(pid.as_fd())?;
        let child = command.spawn();
        enter(own.as_fd())?;
        child
    }
}
