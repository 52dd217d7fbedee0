//! The symbols of a timeline, which lanes and legend share, and their colours.
//!
//! Symbols differ in shape and not in colour alone.

use super::svg::{Attribute, Drawing, number};

/// Colours by class, first on light paper, then where the reader prefers dark.
pub const STYLE: &str = "
  text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .title { font-size: 18px; font-weight: 600 }
  .host { font-weight: 600 }
  .quiet { fill: #59636e }
  .paper { fill: #ffffff }
  .stripe { fill: #f3f5f8 }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .held { fill: #0969da }
  .unfinished { fill: #0969da; fill-opacity: .3; stroke: #0969da; stroke-dasharray: 4 2 }
  .cross { stroke: #1f2328; stroke-width: 2; fill: none }
  .waited { fill: #d4a72c }
  .again { stroke: #d4a72c; stroke-width: 2; stroke-dasharray: 2 3 }
  .refused { fill: #cf222e }
  .over { fill: #8250df; stroke: #ffffff }
  .note { fill: #ffffff; stroke: #59636e }
  .number { font-size: 10px; text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .paper { fill: #0d1117 }
    .stripe { fill: #161c25 }
    .grid { stroke: #30363d }
    .held { fill: #4493f8 }
    .unfinished { fill: #4493f8; stroke: #4493f8 }
    .cross { stroke: #e6edf3 }
    .waited { fill: #d29922 }
    .again { stroke: #d29922 }
    .refused { fill: #f85149 }
    .over { fill: #ab7df8; stroke: #0d1117 }
    .note { fill: #0d1117; stroke: #9198a1 }
  }
";

/// What a symbol says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Symbol {
    Held,
    Waited,
    Refused,
    Again,
    TakenOver,
    Died,
    Lost,
    Open,
    Note,
}

/// The height of a hold; everything else is drawn about its middle.
const HEIGHT: f64 = 14.0;
/// The height of a wait.
const LOW: f64 = 6.0;
/// The narrowest that a bar may be, to be seen.
const NARROWEST: f64 = 2.0;
/// The radius of a note's circle.
pub const NOTE_RADIUS: f64 = 7.5;

impl Symbol {
    /// What it means, for the legend.
    pub fn label(self) -> &'static str {
        match self {
            Symbol::Held => "held",
            Symbol::Died => "held, then died",
            Symbol::Lost => "held, then lost",
            Symbol::Open => "held, end not known",
            Symbol::TakenOver => "taken over from a dead holder",
            Symbol::Waited => "waited",
            Symbol::Refused => "told that another holds it",
            Symbol::Again => "until it tried again",
            Symbol::Note => "see below",
        }
    }

    /// How wide it is in the legend.
    pub fn width(self) -> f64 {
        match self {
            Symbol::TakenOver | Symbol::Note => 15.0,
            Symbol::Refused => 4.0,
            _ => 28.0,
        }
    }

    /// Draws it from `left` to `right`; what has no length is drawn at `left`.
    pub fn draw(self, drawing: &mut Drawing, left: f64, right: f64, middle: f64, tooltip: Option<&str>) {
        match self {
            Symbol::Held => bar(drawing, "held", HEIGHT, left, right, middle, tooltip),
            Symbol::Open => bar(drawing, "unfinished", HEIGHT, left, right, middle, tooltip),
            Symbol::Died | Symbol::Lost => {
                bar(drawing, "unfinished", HEIGHT, left, right, middle, tooltip);
                let (x, y) = ((right - 7.0).max(left + 1.0), middle);
                let path = match self {
                    Symbol::Died => {
                        strokes(&[(x - 4.0, y - 4.0, x + 4.0, y + 4.0), (x - 4.0, y + 4.0, x + 4.0, y - 4.0)])
                    }
                    _ => strokes(&[(x - 4.0, y, x + 4.0, y)]),
                };
                drawing.shape("path", &[class("cross"), ("d", path)], None);
            }
            Symbol::Waited => bar(drawing, "waited", LOW, left, right, middle, tooltip),
            Symbol::Again => {
                let ends = [("x1", left), ("y1", middle), ("x2", right), ("y2", middle)];
                drawing.shape("line", &placed("again", &ends), tooltip);
            }
            Symbol::Refused => {
                let corner =
                    [("x", left - 1.5), ("y", middle - HEIGHT / 2.0), ("width", 3.0), ("height", HEIGHT)];
                drawing.shape("rect", &placed("refused", &corner), tooltip);
            }
            Symbol::TakenOver => {
                let [x, y] = [left, middle].map(number);
                let path = format!("M{x} {y}m0 -8l7 8l-7 8l-7 -8z");
                drawing.shape("path", &[class("over"), ("d", path)], tooltip);
            }
            Symbol::Note => {
                drawing.shape(
                    "circle",
                    &placed("note", &[("cx", left), ("cy", middle), ("r", NOTE_RADIUS)]),
                    tooltip,
                );
            }
        }
    }
}

fn bar(
    drawing: &mut Drawing,
    name: &str,
    height: f64,
    left: f64,
    right: f64,
    middle: f64,
    tooltip: Option<&str>,
) {
    let width = (right - left).max(NARROWEST);
    let corner = [("x", left), ("y", middle - height / 2.0), ("width", width), ("height", height)];
    let mut attributes = placed(name, &corner);
    attributes.push(("rx", number((width / 2.0).min(3.0))));
    drawing.shape("rect", &attributes, tooltip);
}

fn strokes(lines: &[(f64, f64, f64, f64)]) -> String {
    let parts = lines.iter().map(|&(x1, y1, x2, y2)| {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(number);
        format!("M{x1} {y1}L{x2} {y2}")
    });
    parts.collect()
}

/// A class as an attribute.
pub fn class(name: &str) -> Attribute<'static> {
    ("class", name.to_owned())
}

/// A class and where it is.
pub fn placed<'a>(name: &str, places: &[(&'a str, f64)]) -> Vec<Attribute<'a>> {
    std::iter::once(class(name)).chain(places.iter().map(|&(name, value)| (name, number(value)))).collect()
}
