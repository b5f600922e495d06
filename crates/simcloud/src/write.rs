//! Writes the AWS CLI's JSON as a service would send it: the shape table read backwards.
//!
//! One writer for every call, and the law that tests hold: `wire::convert(write(x)) == x`. Members that the table
//! does not know are written under their own name, as a newer AWS would. The request id is left out of the part
//! that can be kept for the next request of the same kind.

use std::fmt::{self, Write as _};

use evidenced_core::shape::{Member, Operation, Protocol, Service, Shape, ShapeId, Type};
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::refuse::Refusal;

/// A body without its request id, and what to send it as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Up to where the request id goes.
    pub(crate) before: Vec<u8>,
    /// From there on; `None` where the body has no request id.
    pub(crate) after: Option<Vec<u8>>,
    pub(crate) content_type: &'static str,
}

impl Written {
    /// The same in no more memory than it needs, to be kept.
    pub(crate) fn trimmed(mut self) -> Self {
        self.before.shrink_to_fit();
        self.after.iter_mut().for_each(Vec::shrink_to_fit);
        self
    }

    /// The whole body.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let Some(after) = &self.after else { return self.before.clone() };
        let mut body = Vec::with_capacity(self.before.len() + request_id.len() + after.len());
        body.extend_from_slice(&self.before);
        body.extend_from_slice(request_id.as_bytes());
        body.extend_from_slice(after);
        body
    }
}

/// Writes one page of an answer.
pub(crate) fn answer(service: &Service, operation: &Operation, output: &Value) -> Written {
    let namespace = service.xml_namespace.as_deref().unwrap_or_default();
    let empty = Map::new();
    let members = output.as_object().unwrap_or(&empty);
    let mut xml = Xml { service, out: String::with_capacity(4096) };
    let root = operation.root.clone().unwrap_or_else(|| format!("{}Response", operation.name));
    match service.protocol {
        Protocol::Json => {
            let value = operation
                .output
                .map_or(Value::Object(Map::new()), |id| json(service, Type::Shape(id), output));
            let content_type = match service.json_version.as_deref() {
                Some("1.0") => "application/x-amz-json-1.0",
                _ => "application/x-amz-json-1.1",
            };
            Written { before: value.to_string().into_bytes(), after: None, content_type }
        }
        Protocol::Ec2 => {
            xml.out.push_str(DECLARATION);
            let start = format!("<{root} xmlns=\"{namespace}\">\n    <requestId>");
            xml.out.push_str(&start);
            let before = std::mem::take(&mut xml.out).into_bytes();
            xml.out.push_str("</requestId>\n    ");
            if let Some(id) = operation.output {
                xml.members(id, members);
            }
            xml.close(&root);
            Written { before, after: Some(xml.out.into_bytes()), content_type: "text/xml;charset=UTF-8" }
        }
        Protocol::Query => {
            xml.put(format_args!("<{root} xmlns=\"{namespace}\">\n  "));
            if let Some(wrapper) = &operation.result_wrapper {
                xml.open(wrapper);
            }
            if let Some(id) = operation.output {
                xml.members(id, members);
            }
            if let Some(wrapper) = &operation.result_wrapper {
                xml.close(wrapper);
            }
            xml.out.push_str("\n  <ResponseMetadata>\n    <RequestId>");
            let before = std::mem::take(&mut xml.out).into_bytes();
            let after = format!("</RequestId>\n  </ResponseMetadata>\n</{root}>\n").into_bytes();
            Written { before, after: Some(after), content_type: "text/xml" }
        }
        Protocol::RestXml => {
            if let Some(payload) = operation.payload.as_deref() {
                let value = members.get(payload).unwrap_or(&Value::Null);
                if let Some(text) = value.as_str() {
                    let content_type = "application/json";
                    return Written { before: text.as_bytes().to_vec(), after: None, content_type };
                }
                let kind = operation
                    .output
                    .and_then(|id| structure(service, id).iter().find(|member| member.name == payload))
                    .map(|member| member.kind);
                xml.out.push_str(DECLARATION);
                if let (Some(Type::Shape(id)), Value::Object(inner)) = (kind, value) {
                    xml.put(format_args!("<{root} xmlns=\"{namespace}\">"));
                    xml.members(id, inner);
                    xml.close(&root);
                }
            } else if let Some(text) = operation.unwrapped.as_deref() {
                xml.out.push_str(DECLARATION);
                xml.put(format_args!("<{root} xmlns=\"{namespace}\">"));
                xml.text(members.get(text).and_then(Value::as_str).unwrap_or_default());
                xml.close(&root);
            } else {
                xml.out.push_str(DECLARATION);
                xml.put(format_args!("<{root} xmlns=\"{namespace}\">"));
                if let Some(id) = operation.output {
                    xml.members(id, members);
                }
                xml.close(&root);
            }
            Written { before: xml.out.into_bytes(), after: None, content_type: "application/xml" }
        }
    }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Writes a refusal.
pub(crate) fn refusal(service: &Service, refusal: &Refusal, request_id: &str) -> Written {
    let mut xml = Xml { service, out: String::new() };
    let whole =
        |before: String, content_type| Written { before: before.into_bytes(), after: None, content_type };
    match service.protocol {
        Protocol::Json => {
            let mut members = Map::new();
            members.insert("__type".to_owned(), Value::String(refusal.code.clone()));
            // Most say `message`; what the front door refuses says `Message`.
            let key = if refusal.code.starts_with("AccessDenied") { "Message" } else { "message" };
            members.insert(key.to_owned(), Value::String(refusal.message.clone()));
            for (key, value) in &refusal.more {
                members.insert((*key).to_owned(), Value::String(value.clone()));
            }
            whole(Value::Object(members).to_string(), "application/x-amz-json-1.1")
        }
        Protocol::Ec2 => {
            xml.out.push_str(DECLARATION);
            xml.out.push_str("<Response><Errors><Error>");
            xml.leaf("Code", &refusal.code);
            xml.leaf("Message", &refusal.message);
            xml.out.push_str("</Error></Errors>");
            xml.leaf("RequestID", request_id);
            xml.out.push_str("</Response>");
            whole(xml.out, "text/xml;charset=UTF-8")
        }
        Protocol::Query => {
            let namespace = service.xml_namespace.as_deref().unwrap_or_default();
            xml.put(format_args!("<ErrorResponse xmlns=\"{namespace}\">\n  <Error>\n    "));
            xml.leaf("Type", if refusal.status < 500 { "Sender" } else { "Receiver" });
            xml.leaf("Code", &refusal.code);
            xml.leaf("Message", &refusal.message);
            xml.out.push_str("\n  </Error>\n  ");
            xml.leaf("RequestId", request_id);
            xml.out.push_str("\n</ErrorResponse>\n");
            whole(xml.out, "text/xml")
        }
        Protocol::RestXml => {
            xml.out.push_str(DECLARATION);
            xml.out.push_str("<Error>");
            xml.leaf("Code", &refusal.code);
            xml.leaf("Message", &refusal.message);
            for (key, value) in &refusal.more {
                xml.leaf(key, value);
            }
            xml.leaf("RequestId", request_id);
            xml.leaf("HostId", "c2ltY2xvdWQ=");
            xml.out.push_str("</Error>");
            whole(xml.out, "application/xml")
        }
    }
}

fn structure(service: &Service, id: ShapeId) -> &[Member] {
    match service.shape(id) {
        Shape::Structure { members, .. } => members,
        _ => &[],
    }
}

struct Xml<'a> {
    service: &'a Service,
    out: String,
}

impl Xml<'_> {
    fn put(&mut self, text: fmt::Arguments<'_>) {
        // A String takes everything.
        self.out.write_fmt(text).unwrap_or_default();
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                // A reader turns a bare one into a line feed.
                '\r' => self.out.push_str("&#xD;"),
                other => self.out.push(other),
            }
        }
    }

    /// Text between quotes, where a reader turns any blank into a space.
    fn attribute(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(['\n', '\t']) {
            let (before, blank) = rest.split_at(at);
            self.text(before);
            self.out.push_str(if blank.starts_with('\t') { "&#x9;" } else { "&#xA;" });
            rest = blank.get(1..).unwrap_or_default();
        }
        self.text(rest);
    }

    /// The members of a structure; those that the table does not know after the others.
    fn members(&mut self, id: ShapeId, values: &Map<String, Value>) {
        let known = structure(self.service, id);
        for (name, value) in values {
            match known.iter().find(|member| member.name == *name) {
                Some(member) if member.location.is_some() || member.attribute => {}
                Some(member) => self.member(member, value),
                None => self.unknown(name, value),
            }
        }
    }

    fn member(&mut self, member: &Member, value: &Value) {
        if value.is_null() {
            return;
        }
        if let (true, Type::Shape(id)) = (member.flattened, member.kind) {
            match (self.service.shape(id), value) {
                (Shape::List { member: kind, .. }, Value::Array(values)) => {
                    for value in values {
                        self.element(&member.wire, *kind, value);
                    }
                    return;
                }
                (Shape::Map { key_wire, value_wire, value: kind }, Value::Object(values)) => {
                    for (key, value) in values {
                        self.open(&member.wire);
                        self.leaf(key_wire, key);
                        self.element(value_wire, *kind, value);
                        self.close(&member.wire);
                    }
                    return;
                }
                _ => {}
            }
        }
        self.element(&member.wire, member.kind, value);
    }

    fn element(&mut self, name: &str, kind: Type, value: &Value) {
        let Type::Shape(id) = kind else {
            match scalar(kind, value) {
                Some(text) if text.is_empty() => {
                    self.out.push('<');
                    self.out.push_str(name);
                    self.out.push_str("/>");
                }
                Some(text) => self.leaf(name, &text),
                None => self.unknown(name, value),
            }
            return;
        };
        match (self.service.shape(id), value) {
            (Shape::Structure { members, .. }, Value::Object(values)) => {
                self.out.push('<');
                self.out.push_str(name);
                for member in members.iter().filter(|member| member.attribute) {
                    if let Some(text) = values.get(&member.name).and_then(Value::as_str) {
                        let prefix = member.wire.split_once(':').map_or("xsi", |(prefix, _)| prefix);
                        if let Some(namespace) = &member.namespace {
                            self.put(format_args!(" xmlns:{prefix}=\"{namespace}\""));
                        }
                        self.put(format_args!(" {}=\"", member.wire));
                        self.attribute(text);
                        self.out.push('"');
                    }
                }
                self.out.push('>');
                self.members(id, values);
                self.close(name);
            }
            (Shape::List { member, member_wire }, Value::Array(values)) => {
                if values.is_empty() {
                    self.out.push('<');
                    self.out.push_str(name);
                    self.out.push_str("/>");
                    return;
                }
                self.open(name);
                for value in values {
                    self.element(member_wire, *member, value);
                }
                self.close(name);
            }
            (Shape::Map { key_wire, value_wire, value: kind }, Value::Object(values)) => {
                self.open(name);
                for (key, value) in values {
                    self.out.push_str("<entry>");
                    self.leaf(key_wire, key);
                    self.element(value_wire, *kind, value);
                    self.out.push_str("</entry>");
                }
                self.close(name);
            }
            _ => self.unknown(name, value),
        }
    }

    fn unknown(&mut self, name: &str, value: &Value) {
        self.open(name);
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.unknown(name, value);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.unknown("item", value);
                }
            }
            Value::String(text) => self.text(text),
            Value::Null => {}
            other => self.text(&other.to_string()),
        }
        self.close(name);
    }
}

fn scalar(kind: Type, value: &Value) -> Option<String> {
    match (kind, value) {
        (Type::Timestamp, Value::String(text)) => Some(zulu(text)),
        (_, Value::String(text)) => Some(text.clone()),
        (_, Value::Bool(_) | Value::Number(_)) => Some(value.to_string()),
        _ => None,
    }
}

/// `2026-10-01T02:00:00+00:00` as AWS's XML has it: `2026-10-01T02:00:00.000Z`.
fn zulu(text: &str) -> String {
    match text.strip_suffix("+00:00") {
        Some(time) if time.contains('.') => format!("{time}Z"),
        Some(time) => format!("{time}.000Z"),
        None => text.to_owned(),
    }
}

/// The same as AWS's JSON has it: seconds since 1970, with a fraction where there is one.
fn epoch(text: &str) -> Option<Number> {
    let micros = text.parse::<Timestamp>().ok()?.as_microsecond();
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let digits = format!("{fraction:06}");
    let digits = digits.trim_end_matches('0');
    let number = match (digits, seconds >= 0) {
        ("", _) => seconds.to_string(),
        (digits, true) => format!("{seconds}.{digits}"),
        (_, false) => return None,
    };
    number.parse().ok()
}

/// The value with wire names and times as numbers.
fn json(service: &Service, kind: Type, value: &Value) -> Value {
    let Type::Shape(id) = kind else {
        return match (kind, value) {
            (Type::Timestamp, Value::String(text)) => {
                epoch(text).map_or_else(|| value.clone(), Value::Number)
            }
            _ => value.clone(),
        };
    };
    match (service.shape(id), value) {
        (Shape::Structure { members, .. }, Value::Object(values)) => (values.iter())
            .map(|(name, value)| match members.iter().find(|member| member.name == *name) {
                Some(member) => (member.wire.clone(), json(service, member.kind, value)),
                None => (name.clone(), value.clone()),
            })
            .collect::<Map<_, _>>()
            .into(),
        (Shape::List { member, .. }, Value::Array(values)) => {
            values.iter().map(|value| json(service, *member, value)).collect()
        }
        (Shape::Map { value: kind, .. }, Value::Object(values)) => (values.iter())
            .map(|(key, value)| (key.clone(), json(service, *kind, value)))
            .collect::<Map<_, _>>()
            .into(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests;
