//! YAML as far as METADATA needs it: maps, lists and scalars, each with its line.
//!
//! Refused: anchors, aliases and tags, keys that are not text or are there twice, more than one document, more than
//! eight levels. A plain `true`, `false`, `null` or integer is that; every other scalar is text.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// A value with the line on which it starts, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// What is wrong, and on which line.
pub(super) type Refusal = (usize, String);

const DEPTH: usize = 8;

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, Refusal> {
    let mut parser = Parser::new_from_str(text);
    let mut node = None;
    loop {
        let (event, line) = next(&mut parser)?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            _ if node.is_some() => return Err((line, "a second document".to_owned())),
            event => node = Some(value(&mut parser, event, line, DEPTH)?),
        }
    }
    node.ok_or((1, "nothing is there".to_owned()))
}

fn next<'a>(parser: &mut Parser<'a, saphyr_parser::StrInput<'a>>) -> Result<(Event<'a>, usize), Refusal> {
    match parser.next_event() {
        Some(Ok((event, span))) => Ok((event, span.start.line())),
        Some(Err(error)) => Err((error.marker().line(), format!("not YAML: {}", error.info()))),
        None => Ok((Event::StreamEnd, 0)),
    }
}

fn value<'a>(
    parser: &mut Parser<'a, saphyr_parser::StrInput<'a>>,
    event: Event<'a>,
    line: usize,
    depth: usize,
) -> Result<Node, Refusal> {
    let Some(depth) = depth.checked_sub(1) else { return Err((line, "too many levels".to_owned())) };
    let kind = match event {
        Event::Scalar(text, style, 0, None) => Kind::Scalar(scalar(&text, style)),
        Event::SequenceStart(0, None) => {
            let mut entries = Vec::new();
            loop {
                match next(parser)? {
                    (Event::SequenceEnd, _) => break,
                    (event, line) => entries.push(value(parser, event, line, depth)?),
                }
            }
            Kind::List(entries)
        }
        Event::MappingStart(0, None) => {
            let mut members: Vec<(String, Node)> = Vec::new();
            loop {
                let key = match next(parser)? {
                    (Event::MappingEnd, _) => break,
                    (Event::Scalar(text, _, 0, None), line) => (text.into_owned(), line),
                    (_, line) => return Err((line, "a key that is not text".to_owned())),
                };
                if members.iter().any(|(name, _)| *name == key.0) {
                    return Err((key.1, format!("{} is there twice", key.0)));
                }
                let (event, line) = next(parser)?;
                members.push((key.0, value(parser, event, line, depth)?));
            }
            Kind::Map(members)
        }
        Event::Alias(_) => return Err((line, "an alias".to_owned())),
        _ => return Err((line, "an anchor or a tag".to_owned())),
    };
    Ok(Node { line, kind })
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" | "~" | "" => Value::Null,
        _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}

impl Node {
    /// The value without its lines.
    pub(super) fn plain(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(entries) => Value::Array(entries.iter().map(Self::plain).collect()),
            Kind::Map(members) => {
                let members = members.iter().map(|(name, node)| (name.clone(), node.plain()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// Its text, when it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_have_their_types() {
        let text = "a: true\nb: [1, x, \"2\"]\nc:\n  d: >-\n    one\n    two\n";
        assert_eq!(
            read(text).unwrap().plain(),
            json!({ "a": true, "b": [1, "x", "2"], "c": { "d": "one two" } })
        );
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for (text, line) in [
            ("a: 1\na: 2", 2),
            ("a: &x 1", 1),
            ("a: 1\nb: *x", 2),
            ("a: !!str 1", 1),
            ("[a]: 1", 1),
            ("a: 1\n---\nb: 2", 3),
            ("a: {", 1),
            ("", 1),
            ("a: [[[[[[[[[]]]]]]]]]", 1),
        ] {
            let refusal = read(text).unwrap_err();
            assert!(refusal.0 >= line, "{text:?}: {refusal:?}");
        }
    }
}
