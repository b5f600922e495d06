//! Turns response bodies into the JSON that the AWS CLI prints, and refusals into their code and message.
//!
//! The reference is the CLI with `cli_timestamp_format = iso8601` and `TZ = UTC`. Types come from the shape table,
//! never from a guess. Nothing is dropped: what the table does not know stays under its wire name and is listed; what
//! does not look as the table says stays as it was sent and is listed too. Numbers keep their digits.
//! Refused: a body that is cut off or malformed, another document than was asked for, document type definitions,
//! nesting beyond [`MAX_DEPTH`]. Pure; never panics, whatever the bytes.

use std::error::Error;

use serde_json::{Map, Value};

use crate::shape::{Operation, Protocol, Service, Shape};
use crate::source::Page;
use crate::wire::notes::{Notes, TooDeep};

mod json;
mod notes;
mod pages;
mod refusal;
mod scalar;
mod time;
mod xml;

pub use self::pages::{cut_short, is_empty, merge, next_token};
pub use self::refusal::{ServiceError, service_error};

/// How deep a body may nest. The deepest AWS document of the catalogue (a web ACL) nests about 40 levels.
pub const MAX_DEPTH: usize = 120;

/// One page as the CLI would print it, and what does not fit the shape table.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// What `aws <service> <operation> --output json --no-paginate` prints, with the unknown members besides.
    pub output: Value,
    /// Pointers of the members that the table does not know, `*` for each list index and map key, sorted.
    pub unknown: Vec<String>,
    /// `pointer: what is odd`, sorted. The value stands in `output` as it was sent.
    pub anomalies: Vec<String>,
}

/// Why a page is not evidence.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The response is a refusal: [`service_error`] reads it.
    #[error("{operation}: status {status} is not a success")]
    Status {
        /// Of which operation.
        operation: String,
        /// HTTP status.
        status: u16,
    },
    /// The body is cut off or is not what the protocol says.
    #[error("{operation}: the body is not {expected}")]
    Malformed {
        /// Of which operation.
        operation: String,
        /// What it should have been.
        expected: &'static str,
        /// What the reader said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The body answers something else.
    #[error("{operation}: the body has {found:?} where {expected:?} is expected")]
    WrongRoot {
        /// Of which operation.
        operation: String,
        /// The element that is there.
        found: String,
        /// The element that should be.
        expected: String,
    },
    /// The body nests deeper than any answer of AWS.
    #[error("{operation}: the body nests deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Of which operation.
        operation: String,
    },
    /// The member that holds the next page's token is not text.
    #[error("{operation}: {member} is not a token")]
    Token {
        /// Of which operation.
        operation: String,
        /// The member.
        member: String,
    },
}

impl WireError {
    fn malformed(
        operation: &Operation,
        expected: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Malformed { operation: operation.name.clone(), expected, source: source.into() }
    }

    fn wrong_root(operation: &Operation, found: &str, expected: &str) -> Self {
        Self::WrongRoot {
            operation: operation.name.clone(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn too_deep(operation: &Operation) -> impl FnOnce(TooDeep) -> Self {
        |TooDeep| Self::TooDeep { operation: operation.name.clone() }
    }
}

/// Converts one page of a successful response.
pub fn convert(service: &Service, operation: &Operation, page: &Page) -> Result<Converted, WireError> {
    if !(200..300).contains(&page.status) {
        return Err(WireError::Status { operation: operation.name.clone(), status: page.status });
    }
    let mut notes = Notes::default();
    let mut output = match (operation.output, service.protocol) {
        (None, _) => Map::new(),
        (Some(id), Protocol::Json) => json::read(service, operation, id, &page.body, &mut notes)?,
        (Some(id), _) => xml::read(service, operation, id, &page.body, &mut notes)?,
    };
    headers(service, operation, page, &mut output, &mut notes);
    let (unknown, anomalies) = notes.lists();
    Ok(Converted { output: Value::Object(output), unknown, anomalies })
}

/// Members of the answer that stand in response headers.
fn headers(
    service: &Service,
    operation: &Operation,
    page: &Page,
    output: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    let Some(Shape::Structure { members, .. }) = operation.output.map(|id| service.shape(id)) else { return };
    for member in members.iter().filter(|member| member.location.is_some()) {
        if let Some(text) = page.headers.get(&member.wire.to_ascii_lowercase()) {
            let value = scalar::read(member.kind, text).unwrap_or_else(|oddity| {
                notes.anomaly_at(&member.name, oddity);
                Value::String(text.clone())
            });
            output.insert(member.name.clone(), value);
        }
    }
}
