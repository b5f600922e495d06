//! A CSV file as people and programs read it: RFC 4180, UTF-8, and nothing in it that a spreadsheet would run.
//!
//! A field is quoted where RFC 4180 asks for it. None is only digits that are not a number: ids stand beside names. A
//! field that begins with `=`, `+`, `-`, `@` (or their full-width forms), a tab, a line break or an apostrophe gets one apostrophe in
//! front: spreadsheets take it for text, and a program undoes it by taking one leading apostrophe away.

use super::FormatError;

/// What a spreadsheet may take for the beginning of a formula, and the mark itself, so that it can be undone.
const MARKED: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠'];

/// Rows under a heading.
pub(super) struct Sheet {
    writer: csv::Writer<Vec<u8>>,
}

impl Sheet {
    /// With the names of the columns.
    pub(super) fn new(columns: &[&str]) -> Result<Self, FormatError> {
        let writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .quote_style(csv::QuoteStyle::Necessary)
            .from_writer(Vec::new());
        let mut sheet = Self { writer };
        sheet.row(columns)?;
        Ok(sheet)
    }

    /// One row: as many fields as there are columns.
    pub(super) fn row<T: AsRef<str>>(&mut self, fields: &[T]) -> Result<(), FormatError> {
        for field in fields {
            let text = field.as_ref();
            if text.starts_with(MARKED) {
                self.writer.write_field(format!("'{text}"))?;
            } else {
                self.writer.write_field(text)?;
            }
        }
        self.writer.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// The bytes of the file.
    pub(super) fn finish(self) -> Result<Vec<u8>, FormatError> {
        self.writer.into_inner().map_err(|error| FormatError::Sheet(error.into_error().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rows: &[&[&str]]) -> String {
        let mut sheet = Sheet::new(&["a", "b"]).unwrap();
        for row in rows {
            sheet.row(row).unwrap();
        }
        String::from_utf8(sheet.finish().unwrap()).unwrap()
    }

    #[test]
    fn lines_end_as_rfc_4180_says_and_quotes_are_doubled() {
        assert_eq!(text(&[&["say \"x\"", "1,2"]]), "a,b\r\n\"say \"\"x\"\"\",\"1,2\"\r\n");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for start in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"] {
            let value = format!("{start}cmd|' /C calc'!A0");
            let written = text(&[&[value.as_str(), ""]]);
            assert!(written.contains(&format!("'{value}")), "{written}");
        }
        assert!(text(&[&["a=1", "10.0.0.0/8"]]).contains("a=1,10.0.0.0/8"));
    }

    #[test]
    fn the_mark_can_be_undone() {
        for value in ["=1", "'=1", "''x", "plain", ""] {
            let written = text(&[&[value, ""]]);
            let field = written.split("\r\n").nth(1).unwrap().strip_suffix(',').unwrap();
            assert_eq!(field.strip_prefix('\'').unwrap_or(field), value);
        }
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let mut sheet = Sheet::new(&["a", "b"]).unwrap();
        assert!(sheet.row(&["only one"]).is_err());
    }
}
