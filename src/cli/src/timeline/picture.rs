//! Where everything goes: title, legend, a lane for each process, the axis, the notes.
//!
//! The same history gives the same picture, byte by byte. The paper grows with what is on it; nothing is cut.

use std::collections::BTreeSet;

use super::axis::Axis;
use super::history::{End, History, Key, Lane, Note};
use super::summary;
use super::svg::{Drawing, number};
use super::symbols::{NOTE_RADIUS, STYLE, Symbol, class, placed};

const MARGIN: f64 = 24.0;
/// From the left end of the axis to the right.
const CHART: f64 = 800.0;
const LANE: f64 = 24.0;
const LINE: f64 = 18.0;
/// The width of a letter at most, on average: in wide fonts, so that nothing overlaps in any.
const LETTER: f64 = 6.8;
/// From the top of a line to the line that letters stand on, less half a lane.
const BASE: f64 = 4.0;
/// More notes than these make nobody wiser.
const NOTES: usize = 20;

/// Draws a history; `files` are the names of the events files.
pub fn draw(history: &History, files: &[String]) -> String {
    let labels = Labels::new(history, files);
    let left = MARGIN + 12.0 + labels.width() + 12.0;
    let axis = Axis {
        left,
        right: left + CHART,
        from_ms: history.from_ms,
        length_ms: history.to_ms - history.from_ms,
    };
    let title = summary::title(history);
    let description = summary::description(history);
    let words = text_width(&description).max(1.5 * text_width(&title));
    let width = (axis.right + MARGIN).max(2.0 * MARGIN + words).ceil();
    let mut page = Page { back: Drawing::default(), drawing: Drawing::default(), axis, width, y: MARGIN };
    page.heading(&title, &description);
    page.legend(&symbols(history));
    let notes = page.lanes(history, &labels);
    page.notes(&notes);
    let height = number((page.y + MARGIN).ceil());

    let mut whole = Drawing::default();
    let attributes = [
        ("xmlns", "http://www.w3.org/2000/svg".to_owned()),
        ("width", number(width)),
        ("height", height.clone()),
        ("viewBox", format!("0 0 {} {height}", number(width))),
        ("role", "img".to_owned()),
        ("aria-labelledby", "title description".to_owned()),
    ];
    whole.group("svg", &attributes, |whole| {
        whole.text("title", &[("id", "title".into())], &title);
        whole.text("desc", &[("id", "description".into())], &description);
        whole.text("style", &[], STYLE);
        whole.shape("rect", &[class("paper"), ("width", number(width)), ("height", height)], None);
        whole.append(page.back);
        whole.append(page.drawing);
    });
    whole.finish()
}

fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

/// What the lanes are called.
struct Labels<'a> {
    history: &'a History,
    files: &'a [String],
    /// Whether a process number stands for more than one process of a host, as where each container counts its own.
    has_namesakes: bool,
    has_locks: bool,
}

impl<'a> Labels<'a> {
    fn new(history: &'a History, files: &'a [String]) -> Self {
        let keys = || history.lanes.keys();
        let numbers: BTreeSet<_> = keys().map(|key| (&key.host, key.pid)).collect();
        let processes: BTreeSet<_> = keys().map(|key| (&key.host, key.pid, key.file)).collect();
        let locks: BTreeSet<_> = keys().map(|key| &key.lock).collect();
        let has_namesakes = numbers.len() < processes.len();
        Labels { history, files, has_namesakes, has_locks: locks.len() > 1 }
    }

    fn of(&self, key: &Key) -> String {
        let mut label = format!("pid {}", key.pid);
        if self.has_namesakes
            && let Some(file) = self.files.get(key.file)
        {
            label = format!("{file}, {label}");
        }
        if self.has_locks {
            label = format!("{label}, {}", key.lock);
        }
        label
    }

    fn width(&self) -> f64 {
        let lanes = self.history.lanes.keys().map(|key| self.of(key));
        let hosts = self.history.lanes.keys().map(|key| key.host.clone());
        lanes.chain(hosts).map(|label| text_width(&label)).fold(0.0, f64::max)
    }
}

/// The symbols that a picture needs.
fn symbols(history: &History) -> BTreeSet<Symbol> {
    let mut symbols = BTreeSet::new();
    for lane in history.lanes.values() {
        for hold in &lane.holds {
            symbols.insert(symbol_of(hold.end));
            symbols.extend(hold.taken_over.then_some(Symbol::TakenOver));
        }
        for wait in &lane.waits {
            symbols.insert(Symbol::Waited);
            symbols.extend(wait.blocked.then_some(Symbol::Refused));
            symbols.extend(wait.again_ms.map(|_| Symbol::Again));
        }
        symbols.extend(lane.notes.first().map(|_| Symbol::Note));
    }
    symbols
}

fn symbol_of(end: End) -> Symbol {
    match end {
        End::Released => Symbol::Held,
        End::Died => Symbol::Died,
        End::Lost => Symbol::Lost,
        End::Open => Symbol::Open,
    }
}

/// A page that is filled from top to bottom.
struct Page {
    /// What is behind the rest.
    back: Drawing,
    drawing: Drawing,
    axis: Axis,
    width: f64,
    /// How far it is filled.
    y: f64,
}

impl Page {
    fn write(&mut self, name: &str, x: f64, y: f64, text: &str) {
        self.drawing.text("text", &placed(name, &[("x", x), ("y", y)]), text);
    }

    fn heading(&mut self, title: &str, description: &str) {
        self.write("title", MARGIN, self.y + 16.0, title);
        self.write("quiet", MARGIN, self.y + 40.0, description);
        self.y += 58.0;
    }

    /// Symbols with their meanings, in as many lines as they need.
    fn legend(&mut self, symbols: &BTreeSet<Symbol>) {
        let mut x = MARGIN;
        for &symbol in symbols {
            let width = symbol.width() + 8.0 + text_width(symbol.label());
            if x + width > self.width - MARGIN {
                (x, self.y) = (MARGIN, self.y + LANE);
            }
            let middle = self.y + LANE / 2.0;
            let is_point = matches!(symbol, Symbol::TakenOver | Symbol::Note | Symbol::Refused);
            let left = if is_point { x + symbol.width() / 2.0 } else { x };
            symbol.draw(&mut self.drawing, left, x + symbol.width(), middle, None);
            self.write("quiet", x + symbol.width() + 8.0, middle + BASE, symbol.label());
            x += width + 16.0;
        }
        self.y += LANE + 12.0;
    }

    /// The lanes over their grid, and the axis below; returns the notes in the order of their numbers.
    fn lanes(&mut self, history: &History, labels: &Labels<'_>) -> Vec<String> {
        let top = self.y;
        let mut notes = Vec::new();
        let mut host = None;
        for (key, lane) in &history.lanes {
            if host != Some(&key.host) {
                self.write("host", MARGIN, self.y + LANE / 2.0 + BASE, &key.host);
                (host, self.y) = (Some(&key.host), self.y + LANE);
            }
            self.lane(&labels.of(key), &key.host, lane, &mut notes);
        }
        let bottom = self.y + 4.0;
        for (x, label) in self.axis.ticks() {
            let ends = [("x1", x), ("y1", top), ("x2", x), ("y2", bottom)];
            self.back.shape("line", &placed("grid", &ends), None);
            let mut attributes = placed("quiet", &[("x", x), ("y", bottom + 16.0)]);
            attributes.push(("text-anchor", "middle".into()));
            self.drawing.text("text", &attributes, &label);
        }
        self.y = bottom + 16.0;
        notes
    }

    fn lane(&mut self, label: &str, host: &str, lane: &Lane, notes: &mut Vec<String>) {
        let middle = self.y + LANE / 2.0;
        let stripe = [("x", self.axis.left), ("y", self.y + 2.0), ("width", CHART), ("height", LANE - 4.0)];
        self.back.shape("rect", &placed("stripe", &stripe), None);
        self.write("label", MARGIN + 12.0, middle + BASE, label);
        let label = &format!("{host}, {label}");
        for wait in &lane.waits {
            let [left, right] = [wait.from_ms, wait.to_ms].map(|at| self.axis.place(at));
            if let Some(again) = wait.again_ms {
                Symbol::Again.draw(&mut self.drawing, right, self.axis.place(again), middle, None);
            }
            let said = self.said(label, "waited", wait.from_ms, wait.to_ms);
            Symbol::Waited.draw(&mut self.drawing, left, right, middle, Some(&said));
            if wait.blocked {
                Symbol::Refused.draw(&mut self.drawing, right, right, middle, None);
            }
        }
        for hold in &lane.holds {
            let [left, right] = [hold.from_ms, hold.to_ms].map(|at| self.axis.place(at));
            let symbol = symbol_of(hold.end);
            let said = self.said(label, symbol.label(), hold.from_ms, hold.to_ms);
            symbol.draw(&mut self.drawing, left, right, middle, Some(&said));
        }
        // Above the ends of other bars.
        for hold in lane.holds.iter().filter(|hold| hold.taken_over) {
            Symbol::TakenOver.draw(&mut self.drawing, self.axis.place(hold.from_ms), 0.0, middle, None);
        }
        let mut free = 0.0;
        for note in &lane.notes {
            let x = self.axis.place(note.at_ms).max(free);
            free = x + 2.0 * NOTE_RADIUS + 1.0;
            notes.push(self.note(label, note));
            Symbol::Note.draw(&mut self.drawing, x, x, middle, notes.last().map(String::as_str));
            self.write("number", x, middle + 3.5, &notes.len().to_string());
        }
        self.y += LANE;
    }

    /// A moment in seconds from the beginning.
    fn seconds(&self, at_ms: u64) -> String {
        format!("{:.3} s", (at_ms - self.axis.from_ms) as f64 / 1000.0)
    }

    fn said(&self, label: &str, what: &str, from_ms: u64, to_ms: u64) -> String {
        format!("{label}: {what}, {} to {}", self.seconds(from_ms), self.seconds(to_ms))
    }

    fn note(&self, label: &str, note: &Note) -> String {
        let separator = if note.detail.is_empty() { "" } else { ": " };
        format!("{label}, {}: {}{separator}{}", self.seconds(note.at_ms), note.event, note.detail)
    }

    fn notes(&mut self, notes: &[String]) {
        if !notes.is_empty() {
            self.y += 12.0;
        }
        for (index, note) in notes.iter().enumerate().take(NOTES) {
            self.y += LINE;
            self.write("quiet", MARGIN, self.y, &format!("{}  {note}", index + 1));
        }
        if notes.len() > NOTES {
            self.y += LINE;
            self.write("quiet", MARGIN, self.y, &format!("and {} more", notes.len() - NOTES));
        }
    }
}
