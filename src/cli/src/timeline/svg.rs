//! Elements of an SVG as text: the few that a timeline needs, everything escaped.

use std::fmt::Write;

/// A drawing under construction.
#[derive(Default)]
pub struct Drawing {
    text: String,
    depth: usize,
}

/// An attribute's name and its value.
pub type Attribute<'a> = (&'a str, String);

impl Drawing {
    /// An element without content, or with a tooltip for its only content.
    pub fn shape(&mut self, name: &str, attributes: &[Attribute<'_>], tooltip: Option<&str>) {
        match tooltip {
            Some(tooltip) => self.leaf(name, attributes, &format!("<title>{}</title>", escaped(tooltip))),
            None => self.line(&format!("<{name}{}/>", listed(attributes))),
        }
    }

    /// An element with text in it.
    pub fn text(&mut self, name: &str, attributes: &[Attribute<'_>], text: &str) {
        self.leaf(name, attributes, &escaped(text));
    }

    /// An element with elements in it.
    pub fn group(&mut self, name: &str, attributes: &[Attribute<'_>], inside: impl FnOnce(&mut Drawing)) {
        self.line(&format!("<{name}{}>", listed(attributes)));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    /// All that is on another drawing.
    pub fn append(&mut self, other: Drawing) {
        for line in other.text.lines() {
            self.line(line);
        }
    }

    /// The text of the drawing.
    pub fn finish(self) -> String {
        self.text
    }

    fn leaf(&mut self, name: &str, attributes: &[Attribute<'_>], content: &str) {
        self.line(&format!("<{name}{}>{content}</{name}>", listed(attributes)));
    }

    fn line(&mut self, line: &str) {
        self.text.extend(std::iter::repeat_n(' ', 2 * self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn listed(attributes: &[Attribute<'_>]) -> String {
    attributes.iter().fold(String::new(), |mut list, (name, value)| {
        // To write into a String does not fail.
        let _ = write!(list, " {name}=\"{}\"", escaped(value));
        list
    })
}

/// Text as XML has it. Characters that XML cannot have are replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                escaped.push(char::REPLACEMENT_CHARACTER);
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// A coordinate: to a tenth of a unit, without a needless fraction.
pub fn number(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes_its_place() {
        let mut drawing = Drawing::default();
        drawing.group("g", &[("id", "a\"b".into())], |drawing| {
            drawing.text("text", &[], "<script>&\u{1b}");
            drawing.shape("rect", &[("x", number(1.25))], Some("5 < 6"));
        });
        let expected = "<g id=\"a&quot;b\">\n  <text>&lt;script&gt;&amp;\u{fffd}</text>\n  \
                        <rect x=\"1.3\"><title>5 &lt; 6</title></rect>\n</g>\n";
        assert_eq!(drawing.finish(), expected);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 0.04, 2.55, 1000.0].map(number), ["1", "0", "2.6", "1000"]);
    }
}
