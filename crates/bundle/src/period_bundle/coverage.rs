//! `data/coverage.csv`: a line for each run and for each slot without one, for people with a spreadsheet.
//!
//! RFC 4180: CRLF, quotes where they are needed. A value that a spreadsheet would run as a formula gets an apostrophe in
//! front of it. The list restates what the signed statements say and proves nothing.

use super::plan::Leaf;
use crate::time::UtcSecond;

const HEADER: [&str; 10] = [
    "slot",
    "id",
    "trigger",
    "status",
    "zip_sha256",
    "log_index",
    "collected_start",
    "collected_end",
    "token_time",
    "zip",
];

/// The file: the leaves, and the slots that have none.
pub(super) fn print<'a>(
    leaves: impl Iterator<Item = (&'a Leaf, &'static str)>,
    absent: &[UtcSecond],
) -> Vec<u8> {
    let mut rows: Vec<(UtcSecond, u64, String)> = leaves
        .map(|(leaf, place)| {
            let snapshot = &leaf.statement.snapshot;
            let row = [
                snapshot.id.slot().to_string(),
                snapshot.id.to_string(),
                snapshot.id.kind().trigger().to_owned(),
                snapshot.status.word().to_owned(),
                snapshot.zip_sha256.to_string(),
                leaf.statement.index.to_string(),
                snapshot.started.to_string(),
                snapshot.ended.to_string(),
                leaf.token.map(|time| time.to_string()).unwrap_or_default(),
                place.to_owned(),
            ];
            (snapshot.id.slot(), leaf.statement.index, record(&row))
        })
        .collect();
    rows.extend(absent.iter().map(|slot| {
        let mut row = vec![String::new(); HEADER.len()];
        for (field, value) in row.iter_mut().zip([&*slot.to_string(), "", "schedule", "absent"]) {
            value.clone_into(field);
        }
        (*slot, u64::MAX, record(&row))
    }));
    rows.sort();
    let lines = rows.into_iter().map(|(_, _, row)| row);
    std::iter::once(record(&HEADER)).chain(lines).collect::<String>().into_bytes()
}

fn record<T: AsRef<str>>(fields: &[T]) -> String {
    fields.iter().map(|value| field(value.as_ref())).collect::<Vec<_>>().join(",") + "\r\n"
}

fn field(value: &str) -> String {
    let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let value = if formula { format!("'{value}") } else { value.to_owned() };
    if value.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_text_and_quotes_are_doubled() {
        assert_eq!(
            record(&["a", "b,c", "=1+1", "say \"hi\"", "-2", "@x", ""]),
            "a,\"b,c\",'=1+1,\"say \"\"hi\"\"\",'-2,'@x,\r\n"
        );
        assert_eq!(field("+cmd|' /C calc'!A0"), "'+cmd|' /C calc'!A0");
    }
}
