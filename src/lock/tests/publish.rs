//! A publish in place with a failure, a short write or a kill at every step: the file holds the old content or the
//! new one after each, but for spaces at its end.

use lockspan_lock::kernel::{Errno, Result};
use lockspan_lock::publish::{Content, replace};

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
    bytes: Vec<u8>,
    /// What the file held after each call.
    seen: Vec<Vec<u8>>,
    calls: usize,
    fate: Option<(usize, Fate)>,
    /// Every call fails from the one on that fails.
    for_good: bool,
}

struct Killed;

impl File {
    fn new(content: &[u8], fate: Option<(usize, Fate)>, for_good: bool) -> File {
        File { bytes: content.to_vec(), seen: Vec::new(), calls: 0, fate, for_good }
    }

    fn next(&mut self) -> Option<Fate> {
        let call = self.calls;
        self.calls += 1;
        let fate =
            self.fate.filter(|(at, _)| call == *at || (self.for_good && call > *at)).map(|(_, fate)| fate);
        if matches!(fate, Some(Fate::Killed)) {
            std::panic::resume_unwind(Box::new(Killed));
        }
        fate
    }
}

impl Content for File {
    fn write_at(&mut self, bytes: &[u8], offset: usize) -> Result<usize> {
        let length = match self.next() {
            Some(Fate::Fails(errno)) => return Err(errno),
            Some(Fate::Short) => bytes.len() / 2,
            _ => bytes.len(),
        };
        let end = offset + length;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(&bytes[..length]);
        if length == bytes.len() {
            self.seen.push(self.bytes.clone());
        }
        Ok(length)
    }

    fn truncate(&mut self, length: usize) -> Result<()> {
        if let Some(Fate::Fails(errno)) = self.next() {
            return Err(errno);
        }
        self.bytes.resize(length, 0);
        self.seen.push(self.bytes.clone());
        Ok(())
    }
}

const CONTENTS: [&[u8]; 4] = [b"{\"a\":1}", b"{\"b\":22}", b"{}", &[b'x'; 3000]];

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii_end()
}

fn run(old: &[u8], new: &[u8], file: &mut File) -> Option<Result<()>> {
    let mut buffer = [new, &vec![0; old.len()]].concat();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replace(file, old, &mut buffer, new.len()))).ok()
}

#[test]
fn without_a_failure_the_new_content_is_there_exactly() {
    for old in CONTENTS {
        for new in CONTENTS {
            let mut file = File::new(old, None, false);
            assert_eq!(run(old, new, &mut file), Some(Ok(())));
            assert_eq!(file.bytes, new);
            for seen in &file.seen {
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
                        let mut file = File::new(old, Some((at, fate)), for_good);
                        let result = run(old, new, &mut file);
                        let now = trimmed(&file.bytes);
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
