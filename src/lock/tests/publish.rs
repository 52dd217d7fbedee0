//! A publish in place with a failure, a short write or a kill at every step: the file holds the old content or the
//! new one after each, but for spaces at its end.

use std::cell::RefCell;

use lockspan_lock::kernel::{Errno, Result};
use lockspan_lock::publish::{self, replace};

/// What happens to one of the calls.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Fails(Errno),
    /// Half of it is done.
    Short,
    /// The process is killed before it.
    Killed,
}

struct File {
    state: RefCell<State>,
    fate: Option<(usize, Fate)>,
    /// Every call fails from the one on that fails.
    for_good: bool,
    /// What another process puts there before the call of this number, and is not to be replaced.
    other: Option<(usize, &'static [u8])>,
}

struct State {
    bytes: Vec<u8>,
    /// What the file held after each call.
    seen: Vec<Vec<u8>>,
    calls: usize,
}

struct Killed;

const REFUSED: Errno = Errno(0);

impl File {
    fn new(content: &[u8], fate: Option<(usize, Fate)>, for_good: bool) -> File {
        let state = RefCell::new(State { bytes: content.to_vec(), seen: Vec::new(), calls: 0 });
        File { state, fate, for_good, other: None }
    }

    fn next(&self) -> Option<Fate> {
        let mut state = self.state.borrow_mut();
        let call = state.calls;
        state.calls += 1;
        if let Some((at, content)) = self.other
            && at == call
        {
            state.bytes = content.to_vec();
        }
        let fate =
            self.fate.filter(|(at, _)| call == *at || (self.for_good && call > *at)).map(|(_, fate)| fate);
        if matches!(fate, Some(Fate::Killed)) {
            std::panic::resume_unwind(Box::new(Killed));
        }
        fate
    }

    fn bytes(&self) -> Vec<u8> {
        self.state.borrow().bytes.clone()
    }
}

impl publish::File for File {
    type Content = Vec<u8>;

    fn look(&self) -> Result<Vec<u8>> {
        if let Some(Fate::Fails(errno)) = self.next() {
            return Err(errno);
        }
        match self.other {
            Some((_, content)) if self.bytes() == content => Err(REFUSED),
            _ => Ok(self.bytes()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: usize) -> Result<usize> {
        let length = match self.next() {
            Some(Fate::Fails(errno)) => return Err(errno),
            Some(Fate::Short) => bytes.len() / 2,
            _ => bytes.len(),
        };
        let mut state = self.state.borrow_mut();
        let end = offset + length;
        if state.bytes.len() < end {
            state.bytes.resize(end, 0);
        }
        state.bytes[offset..end].copy_from_slice(&bytes[..length]);
        if length == bytes.len() {
            let now = state.bytes.clone();
            state.seen.push(now);
        }
        Ok(length)
    }

    fn truncate(&self, length: usize) -> Result<()> {
        if let Some(Fate::Fails(errno)) = self.next() {
            return Err(errno);
        }
        let mut state = self.state.borrow_mut();
        state.bytes.resize(length, 0);
        let now = state.bytes.clone();
        state.seen.push(now);
        Ok(())
    }
}

const CONTENTS: [&[u8]; 4] = [b"{\"a\":1}", b"{\"b\":22}", b"{}", &[b'x'; 3000]];

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii_end()
}

fn run(old: &[u8], new: &[u8], file: &File) -> Option<Result<()>> {
    let mut buffer = new.to_vec();
    buffer.resize(2 * new.len().max(old.len()), 0);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        replace(file, old.to_vec(), &mut buffer, new.len())
    }))
    .ok()
}

#[test]
fn without_a_failure_the_new_content_is_there_exactly() {
    for old in CONTENTS {
        for new in CONTENTS {
            let file = File::new(old, None, false);
            assert_eq!(run(old, new, &file), Some(Ok(())));
            assert_eq!(file.bytes(), new);
            for seen in &file.state.borrow().seen {
                assert!([old, new].contains(&trimmed(seen)), "{:?}", String::from_utf8_lossy(seen));
            }
        }
    }
}

#[test]
fn after_a_failure_or_a_kill_it_is_one_of_both() {
    for old in CONTENTS {
        for new in CONTENTS {
            for at in 0..16 {
                for fate in [
                    Fate::Fails(Errno::NOSPC),
                    Fate::Fails(Errno::IO),
                    Fate::Fails(Errno::DQUOT),
                    Fate::Short,
                    Fate::Killed,
                ] {
                    // A disk that has failed may stay so; a short write that cannot be undone is another matter.
                    for for_good in [false, matches!(fate, Fate::Fails(_))] {
                        let file = File::new(old, Some((at, fate)), for_good);
                        let result = run(old, new, &file);
                        let now = file.bytes();
                        let now = trimmed(&now);
                        assert!(
                            [old, new].contains(&now),
                            "{fate:?} at {at}: {:?}",
                            String::from_utf8_lossy(now)
                        );
                        match result {
                            Some(Ok(())) => assert_eq!(now, new, "{fate:?} at {at}"),
                            Some(Err(_)) => assert_eq!(now, old, "{fate:?} at {at}"),
                            None => {}
                        }
                    }
                }
            }
        }
    }
}

/// Room is made before the last look: what another process writes meanwhile is seen.
#[test]
fn what_another_process_writes_when_room_is_made_stays() {
    const OTHERS: &[u8] = b"{\"other\":333}";
    let mut longer = 0;
    for old in CONTENTS {
        for new in CONTENTS.into_iter().filter(|new| new.len() > old.len()) {
            let file = File { other: Some((1, OTHERS)), ..File::new(old, None, false) };
            assert_eq!(run(old, new, &file), Some(Err(REFUSED)));
            assert_eq!(file.bytes(), OTHERS);
            longer += 1;
        }
    }
    assert!(longer > 0);
}
