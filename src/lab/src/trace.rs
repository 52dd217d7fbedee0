//! The outside observation of a client's first lock attempt: strace.
//!
//! Pure parsing of `strace -f -ttt` output, and the arguments that produce it.

use std::ffi::OsString;
use std::path::Path;

/// The start of strace's command line; the traced program's own follows.
///
/// `preload` is given to the traced program only.
pub fn argv(output: &Path, preload: Option<&Path>) -> Vec<OsString> {
    let mut argv: Vec<OsString> =
        ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-ttt", "-s", "256"].map(OsString::from).to_vec();
    argv.extend(["-e".into(), "trace=?mkdir,mkdirat,?open,openat,fcntl".into(), "-o".into(), output.into()]);
    if let Some(path) = preload {
        let mut variable = OsString::from("LD_PRELOAD=");
        variable.push(path);
        argv.extend(["-E".into(), variable]);
    }
    argv
}

/// The time, in seconds since the epoch, of the first call that reaches for the refresh lock: a `mkdir` or an `open` of
/// one of these paths, of which the ends are given, an `open` of the library's guard of one, or a lock on the credentials
/// file itself.
pub fn first_attempt(trace: &str, paths: &[String]) -> Option<f64> {
    trace.lines().find_map(|line| {
        let (_pid, rest) = line.split_once(' ')?;
        let (time, call) = rest.trim_start().split_once(' ')?;
        if call.starts_with("fcntl") {
            let locks = call.contains("F_OFD_SETLK") && call.contains(".credentials.json>");
            return locks.then(|| time.parse().ok()).flatten();
        }
        let path = call.split('"').nth(1)?;
        let wanted = || paths.iter().any(|wanted| path.ends_with(wanted));
        let attempts = if call.starts_with("mkdir") {
            wanted()
        } else if call.starts_with("open") {
            path.ends_with(".guard") || wanted()
        } else {
            false
        };
        attempts.then(|| time.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    fn first_attempt(trace: &str) -> Option<f64> {
        super::first_attempt(trace, &["/.claude.lock", "/.oauth_refresh.lock"].map(str::to_owned))
    }

    #[test]
    fn the_first_attempt_is_found_among_other_calls() {
        let trace = "\
12 100.1 openat(AT_FDCWD, \"/mnt/home/.claude/settings.json\", O_RDONLY) = 3
12 100.2 mkdir(\"/mnt/home/.claude.json.lock\", 0777) = 0
13 100.3 mkdir(\"/mnt/home/.claude.lock\", 0777) = -1 EEXIST (File exists)
13 100.4 mkdir(\"/mnt/home/.claude.lock\", 0777) = 0
";
        assert_eq!(first_attempt(trace), Some(100.3));
    }

    #[test]
    fn the_librarys_guard_counts_as_an_attempt() {
        let trace = "\
7   99.5 openat(5, \"oauth_refresh.lock.guard\", O_RDWR) = 9
7   99.6 mkdirat(AT_FDCWD, \"/mnt/home/.claude/.oauth_refresh.lock\", 0777 <unfinished ...>
";
        assert_eq!(first_attempt(trace), Some(99.5));
        let later = trace.lines().nth(1).unwrap_or_default();
        assert_eq!(first_attempt(later), Some(99.6));
    }

    #[test]
    fn a_lock_on_the_credentials_file_counts_as_an_attempt() {
        let trace = "\
7 98.0 fcntl(3</mnt/home/.claude/.credentials.json>, F_GETFD) = 0
7 99.0 fcntl(9</mnt/home/.claude/.credentials.json>, F_OFD_SETLK, {l_type=F_WRLCK}) = -1 EAGAIN (busy)
7 99.5 mkdir(\"/mnt/home/.claude.lock\", 0777) = 0
";
        assert_eq!(first_attempt(trace), Some(99.0));
    }

    #[test]
    fn no_attempt_is_none() {
        assert_eq!(first_attempt(""), None);
        assert_eq!(first_attempt("1 2.0 mkdir(\"/tmp/x\", 0777) = 0\n"), None);
    }
}
