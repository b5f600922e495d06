//! `data/bundles.txt`: what became of each zip of the period.
//!
//! One line a zip, sorted by name, four fields with one space between them and LF at the end:
//!
//! ```text
//! <name> <bytes> <64 hex of SHA-256> <place>
//! evidence-prod-20261001T020000Z.zip 81234 6889...b2f5 inside
//! ```
//!
//! `<place>` is `inside` (in `data/bundles/`), `beside` (a file of that name in the folder of the period bundle, when
//! everything is too large for one zip) or `left-out` (a sample pack: the statement is here, the zip is not). The list
//! is not signed: digests that count are those of the signed statements. [`Index::print`] and [`Index::parse`] are
//! twins.

use std::collections::BTreeMap;
use std::fmt;

use super::bag_of;
use crate::check::printable;
use crate::digest::Digest;

/// Where a zip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the period bundle.
    Inside,
    /// In the folder that the period bundle lies in.
    Beside,
    /// Nowhere: a sample pack does without it.
    LeftOut,
}

impl Place {
    /// The word of the list.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Beside => "beside",
            Self::LeftOut => "left-out",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the list says of one zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
    /// Where it is.
    pub place: Place,
}

/// The list, by name of the zip.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    lines: BTreeMap<String, Line>,
}

/// Why bytes are not such a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Not UTF-8, empty, or without its last LF.
    #[error("the text is not lines that end in a line feed")]
    NotText,
    /// A line of another form.
    #[error("line {line} is not a zip's name, its length, its digest and its place: {found:?}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What it is.
        found: String,
    },
    /// Not sorted, or twice the same.
    #[error("line {line} is not behind the line before it in byte order")]
    Order {
        /// Counted from 1.
        line: usize,
    },
    /// A part without the bundle that it is a part of, or in another place.
    #[error("part {name} is not in the place of its bundle")]
    Part {
        /// The part.
        name: String,
    },
}

impl Index {
    /// A list of these.
    pub fn new(lines: BTreeMap<String, Line>) -> Self {
        Self { lines }
    }

    /// The lines, sorted by name.
    pub fn lines(&self) -> &BTreeMap<String, Line> {
        &self.lines
    }

    /// How many bundles are in a place; their parts are not counted.
    pub fn count(&self, place: Place) -> usize {
        let bundles = self.lines.iter().filter(|(name, _)| !name.contains(".part-"));
        bundles.filter(|(_, line)| line.place == place).count()
    }

    /// The bytes of the list.
    pub fn print(&self) -> Vec<u8> {
        let line = |(name, Line { bytes, sha256, place }): (&String, &Line)| {
            format!("{name} {bytes} {sha256} {place}\n")
        };
        self.lines.iter().map(line).collect::<String>().into_bytes()
    }

    /// Reads what [`Self::print`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let text = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n'));
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        for (number, content) in text.ok_or(IndexError::NotText)?.split('\n').enumerate() {
            let line = number + 1;
            let (name, found) =
                read(content).ok_or_else(|| IndexError::Line { line, found: printable(content) })?;
            if lines.last_key_value().is_some_and(|(last, _)| last.as_str() >= name) {
                return Err(IndexError::Order { line });
            }
            lines.insert(name.to_owned(), found);
        }
        let stray = lines.iter().find(|(name, line)| {
            let (id, part) = name.split_once(".part-").unwrap_or((name.as_str(), ""));
            !part.is_empty()
                && lines.get(&format!("{id}.zip")).is_none_or(|bundle| bundle.place != line.place)
        });
        match stray {
            Some((name, _)) => Err(IndexError::Part { name: name.clone() }),
            None => Ok(Self { lines }),
        }
    }
}

fn read(line: &str) -> Option<(&str, Line)> {
    let mut fields = line.split(' ');
    let (name, bytes, sha256, place) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    bag_of(name)?;
    let number: u64 = bytes.parse().ok().filter(|number: &u64| number.to_string() == bytes)?;
    let place =
        [Place::Inside, Place::Beside, Place::LeftOut].into_iter().find(|known| known.word() == place)?;
    let line = Line { bytes: number, sha256: Digest::parse(sha256)?, place };
    fields.next().is_none().then_some((name, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, place: Place) -> (String, Line) {
        (name.to_owned(), Line { bytes: 12, sha256: Digest::of(name.as_bytes()), place })
    }

    #[test]
    fn what_is_printed_is_parsed() {
        let index = Index::new(BTreeMap::from([
            line("evidence-a-20261001T020000Z.zip", Place::Inside),
            line("evidence-a-20261001T020000Z.part-0001.zip", Place::Inside),
            line("evidence-a-20261002T020000Z.zip", Place::LeftOut),
            line("evidence-a-20261002T093000Z-manual.zip", Place::Beside),
        ]));
        assert_eq!(Index::parse(&index.print()), Ok(index.clone()));
        assert_eq!((index.count(Place::Inside), index.count(Place::LeftOut)), (1, 1));
    }

    #[test]
    fn other_spellings_are_refused() {
        let print = |lines: &[(String, Line)]| {
            String::from_utf8(Index::new(lines.iter().cloned().collect()).print()).unwrap()
        };
        let a = print(&[line("evidence-a-20261001T020000Z.zip", Place::Inside)]);
        let b = print(&[line("evidence-a-20261002T020000Z.zip", Place::Inside)]);
        assert!(Index::parse(format!("{a}{b}").as_bytes()).is_ok());
        for text in [
            format!("{b}{a}"),
            format!("{a}{a}"),
            format!("{a}\n"),
            String::new(),
            "\n".to_owned(),
            a.trim_end().to_owned(),
            a.replace('\n', "\r\n"),
            a.replace(' ', "  "),
            a.replace(' ', "\t"),
            a.replace(" 12 ", " 012 "),
            a.replace(" 12 ", " +12 "),
            a.replace(" 12 ", " 99999999999999999999 "),
            a.replace("inside", "Inside"),
            a.replace("inside", "inside here"),
            a.replace("inside", "lost"),
            a.replace("evidence-a", "../evidence-a"),
            a.replace(".zip", ".tar"),
            a.to_uppercase(),
            print(&[line("evidence-a-20261001T020000Z.part-0001.zip", Place::Inside)]),
            print(&[
                line("evidence-a-20261001T020000Z.zip", Place::Inside),
                line("evidence-a-20261001T020000Z.part-0001.zip", Place::LeftOut),
            ]),
        ] {
            assert!(Index::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
