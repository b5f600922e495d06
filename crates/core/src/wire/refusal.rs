//! What a service says when it refuses: code, message, request id.
//!
//! Every body gives an answer: one that is no error document of the protocol gives `Http` and the status. Texts are
//! clipped, so that a page of HTML does not fill a report.

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;

use crate::shape::{Protocol, Service};
use crate::source::Page;
use crate::wire::xml::text;

/// Characters of a message that are kept.
const MESSAGE_LIMIT: usize = 2000;
/// Characters of a body that is no error document.
const BODY_LIMIT: usize = 200;

/// What a service said with a status of 300 and more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// `UnauthorizedOperation`, `NoSuchBucketPolicy`, ...; `Http503` where the body names none.
    pub code: String,
    /// What it said; the start of the body where that is no error document.
    pub message: String,
    /// Id of the request, from the body or the headers.
    pub request_id: Option<String>,
    /// The region to ask instead (S3).
    pub region: Option<String>,
}

/// Reads the refusal in a page.
pub fn service_error(service: &Service, page: &Page) -> ServiceError {
    let body = String::from_utf8_lossy(&page.body);
    let said = match service.protocol {
        Protocol::Json => json(page, &body),
        Protocol::Ec2 | Protocol::Query | Protocol::RestXml => xml(&body),
    };
    let mut error = said.unwrap_or_else(|| ServiceError {
        code: format!("Http{}", page.status),
        message: clip(body.trim(), BODY_LIMIT),
        request_id: None,
        region: None,
    });
    if error.request_id.is_none() {
        error.request_id = page.request_id().map(str::to_owned);
    }
    if error.region.is_none() {
        error.region = page.headers.get("x-amz-bucket-region").cloned();
    }
    error
}

fn json(page: &Page, body: &str) -> Option<ServiceError> {
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let code = text("__type").or_else(|| page.headers.get("x-amzn-errortype").map(String::as_str));
    let code = bare_code(code.or_else(|| text("code")).or_else(|| text("Code"))?);
    if code.is_empty() {
        return None;
    }
    let message = text("message").or_else(|| text("Message")).or_else(|| text("errorMessage")).unwrap_or("");
    Some(ServiceError {
        code: clip(code, BODY_LIMIT),
        message: clip(message, MESSAGE_LIMIT),
        request_id: None,
        region: None,
    })
}

/// `com.amazonaws.wafv2#WAFNonexistentItemException:http://...` -> `WAFNonexistentItemException`.
fn bare_code(code: &str) -> &str {
    let before_colon = code.split(':').next().unwrap_or(code);
    before_colon.rsplit('#').next().unwrap_or(before_colon).trim()
}

/// `<Response><Errors><Error>` of EC2, `<ErrorResponse><Error>` of the query protocol, `<Error>` of S3.
fn xml(body: &str) -> Option<ServiceError> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 10_000, entity_resolver: None };
    let document = Document::parse_with_options(body, options).ok()?;
    let root = document.root_element();
    let error = root.descendants().find(|node| node.tag_name().name() == "Error")?;
    let code = child_text(error, &["Code"])?;
    if code.trim().is_empty() {
        return None;
    }
    let request_id =
        [root, error].into_iter().find_map(|node| child_text(node, &["RequestID", "RequestId", "requestId"]));
    Some(ServiceError {
        code: clip(code.trim(), BODY_LIMIT),
        message: clip(&child_text(error, &["Message"]).unwrap_or_default(), MESSAGE_LIMIT),
        request_id: request_id.map(|id| id.trim().to_owned()),
        region: child_text(error, &["Region"]).map(|region| region.trim().to_owned()),
    })
}

fn child_text<'d>(node: Node<'d, '_>, names: &[&str]) -> Option<Cow<'d, str>> {
    node.children().find(|child| names.contains(&child.tag_name().name())).map(text)
}

/// The first `limit` characters.
fn clip(text: &str, limit: usize) -> String {
    let mut clipped: String = text.chars().take(limit).collect();
    if text.chars().nth(limit).is_some() {
        clipped.push('…');
    }
    clipped
}
