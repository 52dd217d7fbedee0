//! Transcripts in docs/transcripts: what a shell shows, compared with what it shows today.
//!
//! Made-up paths, this machine's names, process numbers and times are replaced first, and the width of columns does
//! not count. `LOCKSPAN_RECORD=1 cargo test` writes them anew.

use std::fs;
use std::path::Path;

use crate::home::Home;

pub struct Transcript<'a> {
    home: &'a Home,
    /// Words of this run, and what stands for them.
    names: Vec<(String, &'static str)>,
    text: String,
}

impl<'a> Transcript<'a> {
    pub fn new(home: &'a Home) -> Transcript<'a> {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
        Transcript { home, names: vec![(host.trim().to_owned(), "vm")], text: String::new() }
    }

    /// Replaces a process number.
    pub fn pid(&mut self, pid: u32, shown: &'static str) {
        self.names.push((pid.to_string(), shown));
    }

    /// Says what happens apart from the command.
    pub fn note(&mut self, text: &str) {
        self.text += &format!("# {text}\n");
    }

    /// Runs a line in a shell.
    pub fn line(&mut self, line: &str) {
        self.line_in(line, line);
    }

    /// Runs `whole`, which runs `line` in surroundings that a note describes.
    pub fn line_in(&mut self, whole: &str, line: &str) {
        let output = self.home.run(&format!("exec 2>&1; {whole}"));
        let shown = normalised(&String::from_utf8_lossy(&output.stdout), self.home, &self.names);
        self.text += &format!("$ {}\n{shown}", line.replace("$SHARED", "/shared"));
        match output.status.code() {
            Some(0) => {}
            status => self.text += &format!("[exit status {}]\n", status.expect("no signal")),
        }
    }

    /// Compares with the transcript of that name.
    pub fn is(self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transcripts").join(name);
        if std::env::var_os("LOCKSPAN_RECORD").is_some() {
            fs::write(&path, &self.text).expect("room for a transcript");
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        let words = |text: &str| {
            text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
        };
        let (known, shown): (Vec<Vec<String>>, Vec<Vec<String>>) = (words(&known), words(&self.text));
        assert!(known == shown, "{} is not what is shown now:\n{}", path.display(), self.text);
    }
}

fn normalised(text: &str, home: &Home, names: &[(String, &'static str)]) -> String {
    let text = text
        .replace(&*home.path().to_string_lossy(), "/home/me")
        .replace(&*home.shared().to_string_lossy(), "/shared");
    let mut normal = String::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            let (before, word) = rest.split_at(start);
            let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            let is_seconds = word.contains('.') && word.parse::<f64>().is_ok() && after.starts_with(" s");
            let name = names.iter().find(|(name, _)| name == word).map(|&(_, shown)| shown);
            normal += before;
            normal += if is_seconds { "0.1" } else { name.unwrap_or(word) };
            rest = after;
        }
        normal += rest;
        normal.push('\n');
    }
    normal
}
