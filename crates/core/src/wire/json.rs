//! JSON bodies.
//!
//! A member that is null is left out, as the CLI leaves it out; an unknown one stays. Numbers are as sent.

use serde_json::{Map, Number, Value};

use crate::shape::{Operation, Service, Shape, ShapeId, Type};
use crate::wire::notes::{Notes, TooDeep};
use crate::wire::{WireError, time};

/// The members of the object that `body` is.
pub(super) fn read<'t>(
    service: &'t Service,
    operation: &Operation,
    output: ShapeId,
    body: &[u8],
    notes: &mut Notes<'t>,
) -> Result<Map<String, Value>, WireError> {
    let expected = "a JSON object";
    let value =
        serde_json::from_slice(body).map_err(|source| WireError::malformed(operation, expected, source))?;
    let Value::Object(object) = value else {
        return Err(WireError::malformed(operation, expected, "it is another JSON value"));
    };
    Reader { service, notes }.structure(service.shape(output), object).map_err(WireError::too_deep(operation))
}

struct Reader<'t, 'n> {
    service: &'t Service,
    notes: &'n mut Notes<'t>,
}

impl<'t> Reader<'t, '_> {
    fn structure(
        &mut self,
        shape: &'t Shape,
        object: Map<String, Value>,
    ) -> Result<Map<String, Value>, TooDeep> {
        let mut output = Map::new();
        let mut unknown = Vec::new();
        for (key, value) in object {
            match shape.member(&key) {
                None => unknown.push((key, value)),
                Some(_) if value.is_null() => {}
                Some(member) => {
                    self.notes.enter(&member.name)?;
                    let value = self.value(member.kind, value)?;
                    self.notes.leave();
                    output.insert(if key == member.name { key } else { member.name.clone() }, value);
                }
            }
        }
        for (key, value) in unknown {
            let key = free_key(&output, key);
            self.notes.unknown(&key);
            output.insert(key, value);
        }
        Ok(output)
    }

    fn value(&mut self, kind: Type, value: Value) -> Result<Value, TooDeep> {
        // Inside lists and maps the CLI prints nulls.
        if value.is_null() {
            return Ok(value);
        }
        match kind {
            Type::Shape(id) => self.shaped(self.service.shape(id), value),
            Type::Timestamp => Ok(self.timestamp(value)),
            Type::Document => Ok(value),
            Type::Boolean => Ok(self.checked(value.is_boolean(), "not a boolean", value)),
            Type::Integer | Type::Float => Ok(self.checked(value.is_number(), "not a number", value)),
            Type::String | Type::Blob => Ok(self.checked(value.is_string(), "not a string", value)),
        }
    }

    fn shaped(&mut self, shape: &'t Shape, value: Value) -> Result<Value, TooDeep> {
        match (shape, value) {
            (Shape::Structure { .. }, Value::Object(object)) => {
                self.structure(shape, object).map(Value::Object)
            }
            (Shape::List { member, .. }, Value::Array(mut elements)) => {
                self.notes.enter("*")?;
                for element in &mut elements {
                    *element = self.value(*member, element.take())?;
                }
                self.notes.leave();
                Ok(Value::Array(elements))
            }
            (Shape::Map { value: kind, .. }, Value::Object(mut entries)) => {
                self.notes.enter("*")?;
                for entry in entries.values_mut() {
                    *entry = self.value(*kind, entry.take())?;
                }
                self.notes.leave();
                Ok(Value::Object(entries))
            }
            (Shape::Structure { .. } | Shape::Map { .. }, value) => {
                Ok(self.checked(false, "not an object", value))
            }
            (Shape::List { .. }, value) => Ok(self.checked(false, "not a list", value)),
        }
    }

    fn checked(&mut self, fits: bool, oddity: &str, value: Value) -> Value {
        if !fits {
            self.notes.anomaly(oddity);
        }
        value
    }

    fn timestamp(&mut self, value: Value) -> Value {
        let printed = match &value {
            Value::Number(number) => seconds(number).and_then(time::from_seconds),
            Value::String(text) => time::from_text(text),
            _ => None,
        };
        match printed {
            Some(text) => Value::String(text),
            None => self.checked(false, "not a timestamp", value),
        }
    }
}

fn seconds(number: &Number) -> Option<f64> {
    number.to_string().parse().ok()
}

/// `key`, with `#` appended while the structure has a member of that name.
pub(super) fn free_key(output: &Map<String, Value>, mut key: String) -> String {
    while output.contains_key(&key) {
        key.push('#');
    }
    key
}
