//! What is appended to an events file, as it comes.
//!
//! Reads only; a file that is not there yet is waited for, one that is replaced or truncated begins anew.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::lines::{Line, Lines};

/// How long at most a change goes unnoticed on a filesystem that tells nobody, as one in the network.
const LOOK_ANYWAY: u16 = 500; // milliseconds

/// An events file that others append to.
pub struct Follow {
    path: PathBuf,
    file: Option<File>,
    lines: Lines,
    changes: Inotify,
}

impl Follow {
    /// Follows a file from where it ends now, or from its beginning if it is not there yet.
    ///
    /// # Errors
    /// There is no such directory, or what is there is not a file that can be read.
    pub fn new(path: &Path) -> Result<Follow> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).context("inotify")?;
        let wanted = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
        changes.add_watch(directory, wanted).with_context(|| directory.display().to_string())?;
        let mut follow = Follow { path: path.to_owned(), file: None, lines: Lines::default(), changes };
        if follow.open()?
            && let Some(file) = &mut follow.file
        {
            follow.lines = Lines::from(file.seek(SeekFrom::End(0))?);
        }
        Ok(follow)
    }

    /// Opens the file if it is there; says whether it is.
    fn open(&mut self) -> Result<bool> {
        let name = || self.path.display().to_string();
        match fs::metadata(&self.path) {
            // To open a FIFO would wait, and to read it would take the lines from somebody else.
            Ok(found) if !found.is_file() => bail!("{}: not a regular file", name()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            _ => {}
        }
        self.file = Some(File::open(&self.path).with_context(name)?);
        self.lines = Lines::default();
        Ok(true)
    }

    /// Hands over the lines that have come since the last time.
    ///
    /// # Errors
    /// The file cannot be read, or the lines not be handed over.
    pub fn read(&mut self, mut each: impl FnMut(Line) -> Result<()>) -> Result<()> {
        loop {
            if self.file.is_none() && !self.open()? {
                return Ok(());
            }
            let Some(file) = &mut self.file else { return Ok(()) };
            let mut buffer = vec![0; 1 << 16];
            loop {
                let length = file.read(&mut buffer).with_context(|| self.path.display().to_string())?;
                if length == 0 {
                    break;
                }
                self.lines.push(&buffer[..length]).into_iter().try_for_each(&mut each)?;
            }
            let open = file.metadata()?;
            let is_same = fs::metadata(&self.path)
                .is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino()));
            if is_same && open.len() >= self.lines.position() {
                return Ok(());
            }
            self.finish(&mut each)?;
            self.file = None;
        }
    }

    /// Hands over the beginning of a line whose end will not come.
    ///
    /// # Errors
    /// The line cannot be handed over.
    pub fn finish(&mut self, each: impl FnMut(Line) -> Result<()>) -> Result<()> {
        self.lines.finish().into_iter().try_for_each(each)
    }

    /// Waits until the file may have changed, or `other` can be read.
    ///
    /// # Errors
    /// The kernel cannot wait.
    pub fn wait(&self, other: Option<BorrowedFd<'_>>) -> Result<()> {
        let readable = |descriptor| PollFd::new(descriptor, PollFlags::POLLIN);
        let mut descriptors = vec![readable(self.changes.as_fd())];
        descriptors.extend(other.map(readable));
        match poll(&mut descriptors, LOOK_ANYWAY) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("poll"),
        }
        // Only that there are some counts.
        match self.changes.read_events() {
            Ok(_) | Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(errno).context("inotify"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().append(true).create(true).open(path).expect("a file");
        file.write_all(text.as_bytes()).expect("room");
    }

    fn read(follow: &mut Follow) -> Vec<Line> {
        let mut lines = Vec::new();
        let result = follow.read(|line| {
            lines.push(line);
            Ok(())
        });
        result.expect("a file that can be read");
        lines
    }

    #[test]
    fn a_file_is_followed_through_everything_that_happens_to_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("events");
        let mut follow = Follow::new(&path).expect("a directory");
        assert_eq!(read(&mut follow), []);

        let taken = event(1, 2, "taken", "in-place", 0);
        let text = serde_json::to_string(&taken).expect("JSON") + "\n";
        append(&path, &text[..20]);
        follow.wait(None).expect("a change");
        assert_eq!(read(&mut follow), [], "half a line");
        append(&path, &text[20..]);
        assert_eq!(read(&mut follow), [Line::Event(taken.clone())]);

        append(&path, "torn");
        fs::rename(&path, directory.path().join("old")).expect("a file");
        append(&path, &text);
        let torn = Line::Foreign { offset: text.len() as u64, length: 4 };
        assert_eq!(read(&mut follow), [torn, Line::Event(taken.clone())], "another file");

        File::create(&path).expect("the same file, empty");
        assert_eq!(read(&mut follow), []);
        append(&path, &text);
        assert_eq!(read(&mut follow), [Line::Event(taken)], "from its beginning");

        let mut late = Follow::new(&path).expect("a file");
        assert_eq!(read(&mut late), [], "what was there before is not news");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        assert!(Follow::new(Path::new("/dev/null")).is_err());
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(Follow::new(&directory.path().join("missing/events")).is_err());
    }
}
