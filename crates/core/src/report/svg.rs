//! Strokes of a diagram: text stays text, colours come from the page's style by class.
//!
//! Every name passes through here and is escaped; a name that is cut to its place is whole in its `<title>`. Whole
//! numbers only, so that the same network gives the same bytes everywhere.

use std::fmt::Write as _;

use super::text::{clipped, escaped, visible, width};

/// Width of a letter at the small size, in tenths of a unit, in the widest of the usual fonts.
const SANS: usize = 65;
const BOLD: usize = 76;
const MONO: usize = 64;

/// How many letters fit.
fn fits(units: usize, class: &str) -> usize {
    let letter = match class {
        "m" | "ms" => MONO,
        "" | "s" | "u" => SANS,
        _ => BOLD,
    };
    (units * 10).checked_div(letter).unwrap_or(0)
}

/// A drawing that grows.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.body.write_fmt(arguments).unwrap_or_default();
    }

    pub(super) fn rect(&mut self, class: &str, x: usize, y: usize, wide: usize, high: usize) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\"/>"
        ));
    }

    pub(super) fn path(&mut self, class: &str, d: &str) {
        self.put(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    pub(super) fn dot(&mut self, class: &str, x: usize, y: usize) {
        self.put(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>"));
    }

    /// A line of text, cut to what fits in `room`; `m` in the class is monospace.
    pub(super) fn text(&mut self, class: &str, x: usize, y: usize, room: usize, text: &str) {
        let most = fits(room, class);
        let shown = clipped(text, most);
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        if width(&visible(text)) > most {
            let whole = escaped(text);
            self.put(format_args!(
                "<text{class} x=\"{x}\" y=\"{y}\"><title>{whole}</title>{}</text>",
                escaped(&shown)
            ));
        } else {
            self.put(format_args!("<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escaped(&shown)));
        }
    }

    /// Opens a group at a place; what follows is relative to it.
    pub(super) fn at(&mut self, x: usize, y: usize) {
        self.put(format_args!("<g transform=\"translate({x} {y})\">"));
    }

    pub(super) fn end(&mut self) {
        self.body.push_str("</g>");
    }

    /// Draws another over this one.
    pub(super) fn append(&mut self, other: &Self) {
        self.body.push_str(&other.body);
    }

    /// This, with another over it.
    pub(super) fn then(mut self, other: &Self) -> Self {
        self.append(other);
        self
    }

    /// The whole drawing. `id` makes the names of its title and description unique in the page.
    pub(super) fn finish(self, id: &str, title: &str, description: &str, wide: usize, high: usize) -> String {
        format!(
            "<svg class=\"net\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" \
             height=\"{high}\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{}</svg>",
            escaped(title),
            escaped(description),
            self.body
        )
    }
}
