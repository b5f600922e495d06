//! XML bodies.
//!
//! Namespaces are not compared, comments and processing instructions are skipped, members stand in document order.
//! An empty list is `[]`, an absent one no key. What the table does not know keeps its local name: an element without
//! children is a string, one of only `item` or `member` children a list, else an object; attributes are `@name`,
//! stray text is `#text`.

use std::borrow::Cow;

use roxmltree::{Attribute, Document, Node, ParsingOptions};
use serde_json::{Map, Value};

use crate::shape::{Member, Operation, Protocol, Service, Shape, ShapeId, Type};
use crate::wire::json::free_key;
use crate::wire::notes::{Notes, TooDeep};
use crate::wire::{WireError, scalar};

/// Elements, texts and comments of one body: a page of 1000 instances has about half a million.
const NODES_LIMIT: u32 = 8_000_000;

/// The members of the structure that `body` holds.
pub(super) fn read<'t>(
    service: &'t Service,
    operation: &'t Operation,
    output: ShapeId,
    body: &[u8],
    notes: &mut Notes<'t>,
) -> Result<Map<String, Value>, WireError> {
    let text =
        std::str::from_utf8(body).map_err(|source| WireError::malformed(operation, "UTF-8", source))?;
    let Some(root_name) = &operation.root else { return text_payload(operation, text) };
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_LIMIT, entity_resolver: None };
    let document = Document::parse_with_options(text, options)
        .map_err(|source| WireError::malformed(operation, "XML", source))?;
    let root = document.root_element();
    check_root(service, operation, root_name, root, notes)?;

    let mut reader = Reader { service, notes };
    let members = if let Some(member) = &operation.unwrapped {
        reader.unwrapped(member, root)
    } else if let Some(payload) = &operation.payload {
        reader.payload(service.shape(output), payload, root)
    } else if let Some(wrapper) = &operation.result_wrapper {
        let Some(result) = root.children().find(|child| child.tag_name().name() == wrapper) else {
            let found = root.first_element_child().map_or("", |child| child.tag_name().name());
            return Err(WireError::wrong_root(operation, found, wrapper));
        };
        reader.wrapped(service.shape(output), root, result)
    } else {
        let apart: &[&str] = if service.protocol == Protocol::Ec2 { &["requestId"] } else { &[] };
        reader.structure(service.shape(output), root, apart)
    };
    members.map_err(WireError::too_deep(operation))
}

/// The whole body is one text.
fn text_payload(operation: &Operation, text: &str) -> Result<Map<String, Value>, WireError> {
    if operation.payload_is_json {
        // The text is kept, but a text that is cut off is no evidence.
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|source| WireError::malformed(operation, "a JSON text", source))?;
    }
    let member = operation.payload.iter().map(|payload| (payload.clone(), Value::from(text)));
    Ok(member.collect())
}

fn check_root(
    service: &Service,
    operation: &Operation,
    expected: &str,
    root: Node<'_, '_>,
    notes: &mut Notes<'_>,
) -> Result<(), WireError> {
    let found = root.tag_name().name();
    if found == expected {
        return Ok(());
    }
    // The model of S3 does not name its roots, so servers that are built from the model call them like other
    // services do. It is still the answer to this operation.
    if service.protocol == Protocol::RestXml && found.strip_suffix("Response") == Some(&operation.name) {
        notes.anomaly(&format!("the root element is {found}, not {expected}"));
        return Ok(());
    }
    Err(WireError::wrong_root(operation, found, expected))
}

struct Reader<'t, 'n> {
    service: &'t Service,
    notes: &'n mut Notes<'t>,
}

/// What a structure has that the table does not know, in document order.
#[derive(Default)]
struct Rest(Vec<(String, Value)>);

impl<'t> Reader<'t, '_> {
    /// The text of the root element; the CLI prints null for an empty one.
    fn unwrapped(&mut self, member: &'t str, root: Node<'_, '_>) -> Result<Map<String, Value>, TooDeep> {
        self.notes.enter(member)?;
        let value = match self.scalar(Type::String, root)? {
            Value::String(text) if text.is_empty() => Value::Null,
            value => value,
        };
        self.notes.leave();
        Ok(Map::from_iter([(member.to_owned(), value)]))
    }

    /// The root element is one member.
    fn payload(
        &mut self,
        output: &'t Shape,
        payload: &'t str,
        root: Node<'_, '_>,
    ) -> Result<Map<String, Value>, TooDeep> {
        let Shape::Structure { members, .. } = output else { return Ok(Map::new()) };
        let Some(member) = members.iter().find(|member| member.name == payload) else {
            return Ok(Map::new());
        };
        self.notes.enter(payload)?;
        let value = self.value(member.kind, root)?;
        self.notes.leave();
        Ok(Map::from_iter([(member.name.clone(), value)]))
    }

    /// The members stand in `result`; what stands beside it is the request id, or unknown.
    fn wrapped(
        &mut self,
        output: &'t Shape,
        root: Node<'_, '_>,
        result: Node<'_, '_>,
    ) -> Result<Map<String, Value>, TooDeep> {
        let mut members = self.structure(output, result, &[])?;
        let mut rest = Rest::default();
        for beside in root.children().filter(|child| child.is_element() && *child != result) {
            let tag = beside.tag_name().name();
            if tag != "ResponseMetadata" {
                rest.keep(tag, generic(beside, self.notes.levels_left())?);
            }
        }
        self.add(&mut members, rest);
        Ok(members)
    }

    /// `apart` are children that are not members.
    fn structure(
        &mut self,
        shape: &'t Shape,
        node: Node<'_, '_>,
        apart: &[&str],
    ) -> Result<Map<String, Value>, TooDeep> {
        let mut output = Map::new();
        let mut rest = Rest::default();
        for child in node.children() {
            if let Some(text) = stray_text(child) {
                rest.keep("#text", Value::from(text));
            }
            if !child.is_element() {
                continue;
            }
            let tag = child.tag_name().name();
            if let Some(member) = shape.member(tag) {
                self.notes.enter(&member.name)?;
                self.member(member, child, &mut output, &mut rest)?;
                self.notes.leave();
            } else if !apart.contains(&tag) {
                rest.keep(tag, generic(child, self.notes.levels_left())?);
            }
        }
        for attribute in node.attributes() {
            match attribute_member(shape, attribute) {
                Some(member) => {
                    output.insert(member.name.clone(), Value::from(attribute.value()));
                }
                None => rest.keep(&format!("@{}", attribute.name()), Value::from(attribute.value())),
            }
        }
        self.add(&mut output, rest);
        Ok(output)
    }

    fn member(
        &mut self,
        member: &'t Member,
        node: Node<'_, '_>,
        output: &mut Map<String, Value>,
        rest: &mut Rest,
    ) -> Result<(), TooDeep> {
        let shape = match member.kind {
            Type::Shape(id) if member.flattened => Some(self.service.shape(id)),
            _ => None,
        };
        match (shape, output.get_mut(&member.name)) {
            (Some(Shape::List { member: kind, .. }), so_far) => {
                self.notes.enter("*")?;
                let value = self.value(*kind, node)?;
                self.notes.leave();
                match so_far {
                    Some(Value::Array(elements)) => elements.push(value),
                    _ => drop(output.insert(member.name.clone(), Value::Array(vec![value]))),
                }
            }
            (Some(Shape::Map { key_wire, value_wire, value: kind }), so_far) => {
                let (key, value) = self.entry(node, key_wire, value_wire, *kind)?;
                match so_far {
                    Some(Value::Object(entries)) => drop(entries.insert(key, value)),
                    _ => drop(
                        output.insert(member.name.clone(), Value::Object(Map::from_iter([(key, value)]))),
                    ),
                }
            }
            (_, Some(_)) => {
                self.notes.anomaly("a repeated element");
                rest.keep(node.tag_name().name(), generic(node, self.notes.levels_left())?);
            }
            (_, None) => {
                let value = self.value(member.kind, node)?;
                output.insert(member.name.clone(), value);
            }
        }
        Ok(())
    }

    /// Adds what the table does not know, under names that are free, and lists it.
    fn add(&mut self, output: &mut Map<String, Value>, rest: Rest) {
        for (key, value) in rest.0 {
            let key = free_key(output, key);
            self.notes.unknown(&key);
            output.insert(key, value);
        }
    }

    fn value(&mut self, kind: Type, node: Node<'_, '_>) -> Result<Value, TooDeep> {
        match kind {
            Type::Shape(id) => match self.service.shape(id) {
                shape @ Shape::Structure { .. } => self.structure(shape, node, &[]).map(Value::Object),
                Shape::List { member, member_wire } => self.list(*member, member_wire, node),
                Shape::Map { key_wire, value_wire, value } => self.map(key_wire, value_wire, *value, node),
            },
            Type::Document => generic(node, self.notes.levels_left()),
            _ => self.scalar(kind, node),
        }
    }

    fn list(&mut self, kind: Type, wire: &str, node: Node<'_, '_>) -> Result<Value, TooDeep> {
        let mut elements = Vec::new();
        self.notes.enter("*")?;
        for child in node.children() {
            if child.is_element() {
                // Every child is an element of the list, whatever its name: so the CLI reads it.
                if child.tag_name().name() != wire {
                    self.notes.anomaly(&format!("the element is {}, not {wire}", child.tag_name().name()));
                }
                elements.push(self.value(kind, child)?);
            } else if stray_text(child).is_some() {
                self.notes.anomaly("text between the elements");
            }
        }
        self.notes.leave();
        self.attributes_are_odd(node);
        Ok(Value::Array(elements))
    }

    fn map(&mut self, key: &str, value: &str, kind: Type, node: Node<'_, '_>) -> Result<Value, TooDeep> {
        let mut entries = Map::new();
        for child in node.children() {
            if child.is_element() {
                let (key, value) = self.entry(child, key, value, kind)?;
                if entries.insert(key, value).is_some() {
                    self.notes.anomaly("a repeated key");
                }
            } else if stray_text(child).is_some() {
                self.notes.anomaly("text between the entries");
            }
        }
        self.attributes_are_odd(node);
        Ok(Value::Object(entries))
    }

    fn entry(
        &mut self,
        node: Node<'_, '_>,
        key_wire: &str,
        value_wire: &str,
        kind: Type,
    ) -> Result<(String, Value), TooDeep> {
        let (mut key, mut value) = (String::new(), Value::Null);
        self.notes.enter("*")?;
        for child in node.children().filter(Node::is_element) {
            let tag = child.tag_name().name();
            if tag == key_wire {
                key = text(child).into_owned();
            } else if tag == value_wire {
                value = self.value(kind, child)?;
            } else {
                self.notes.anomaly(&format!("an entry with {tag}"));
            }
        }
        self.notes.leave();
        Ok((key, value))
    }

    fn scalar(&mut self, kind: Type, node: Node<'_, '_>) -> Result<Value, TooDeep> {
        if node.first_element_child().is_some() {
            self.notes.anomaly("elements where a text is expected");
            return generic(node, self.notes.levels_left());
        }
        self.attributes_are_odd(node);
        let text = text(node);
        Ok(scalar::read(kind, &text).unwrap_or_else(|oddity| {
            self.notes.anomaly(oddity);
            Value::String(text.into_owned())
        }))
    }

    fn attributes_are_odd(&mut self, node: Node<'_, '_>) {
        for attribute in node.attributes() {
            self.notes.anomaly(&format!("the attribute {} is not kept", attribute.name()));
        }
    }
}

impl Rest {
    /// Keeps a value; a second one of the same name makes a list.
    fn keep(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(kept, _)| kept == key) {
            None => self.0.push((key.to_owned(), value)),
            Some((_, Value::Array(elements))) => elements.push(value),
            Some((_, first)) => *first = Value::Array(vec![first.take(), value]),
        }
    }
}

/// The member that an attribute is: `xsi:type` of the table is `type` in any namespace.
fn attribute_member<'t>(shape: &'t Shape, attribute: Attribute<'_, '_>) -> Option<&'t Member> {
    let Shape::Structure { members, .. } = shape else { return None };
    members.iter().filter(|member| member.attribute).find(|member| match member.wire.split_once(':') {
        Some((_, local)) => local == attribute.name() && attribute.namespace().is_some(),
        None => member.wire == attribute.name(),
    })
}

/// The text of an element without element children.
pub(super) fn text<'d>(node: Node<'d, '_>) -> Cow<'d, str> {
    let mut texts = node.children().filter_map(|child| if child.is_text() { child.text() } else { None });
    let Some(first) = texts.next() else { return Cow::Borrowed("") };
    // A comment splits a text.
    texts.fold(Cow::Borrowed(first), |so_far, more| so_far + more)
}

/// A text node that is more than white space.
fn stray_text<'d>(node: Node<'d, '_>) -> Option<&'d str> {
    if !node.is_text() {
        return None;
    }
    node.text().filter(|text| !text.trim().is_empty())
}

/// An element that the table does not know, `levels` deep at most.
fn generic(node: Node<'_, '_>, levels: usize) -> Result<Value, TooDeep> {
    let below = levels.checked_sub(1).ok_or(TooDeep)?;
    let mut elements = node.children().filter(Node::is_element).peekable();
    if elements.peek().is_none() && node.attributes().next().is_none() {
        return Ok(Value::from(text(node)));
    }
    let is_list = elements.all(|child| matches!(child.tag_name().name(), "item" | "member"));
    let mut rest = Rest::default();
    let mut list = Vec::new();
    for child in node.children() {
        if let Some(text) = stray_text(child) {
            rest.keep("#text", Value::from(text));
        } else if child.is_element() && is_list {
            list.push(generic(child, below)?);
        } else if child.is_element() {
            rest.keep(child.tag_name().name(), generic(child, below)?);
        }
    }
    for attribute in node.attributes() {
        rest.keep(&format!("@{}", attribute.name()), Value::from(attribute.value()));
    }
    if is_list && rest.0.is_empty() {
        return Ok(Value::Array(list));
    }
    if is_list && !list.is_empty() {
        rest.keep("item", Value::Array(list));
    }
    Ok(Value::Object(rest.0.into_iter().collect()))
}
