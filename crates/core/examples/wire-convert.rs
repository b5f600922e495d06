//! Converts AWS responses for tests that compare them with another reader (tests/model).
//!
//! Standard input has one JSON object a line, one call each:
//! `{"service", "operation", "pages": [{"status", "headers": {}, "body": hex}]}`. Standard output has one line for
//! each: `{"pages": [{"output", "unknown", "anomalies", "next", "cut_short", "is_empty"}], "merged"}`, or
//! `{"error"}` with the whole chain, or for pages with a status of 300 and more `{"refusal"}`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Write};

use bytes::Bytes;
use evidenced_core::shape::Shapes;
use evidenced_core::source::Page;
use evidenced_core::wire;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Call {
    service: String,
    operation: String,
    pages: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let shapes = Shapes::embedded()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let call: Call = serde_json::from_str(&line?)?;
        let answer = answer(&shapes, call).unwrap_or_else(|error| json!({ "error": chain(&*error) }));
        writeln!(out, "{answer}")?;
    }
    Ok(out.flush()?)
}

fn answer(shapes: &Shapes, call: Call) -> Result<Value, Box<dyn Error>> {
    let service = shapes.service(&call.service).ok_or("no such service")?;
    let operation = service.operation(&call.operation).ok_or("no such operation")?;
    let (mut pages, mut outputs) = (Vec::new(), Vec::new());
    for response in call.pages {
        let page = response.page()?;
        if page.status >= 300 {
            let said = wire::service_error(service, &page);
            return Ok(json!({ "refusal": {
                "code": said.code,
                "message": said.message,
                "request_id": said.request_id,
                "region": said.region,
            }}));
        }
        let converted = wire::convert(service, operation, &page)?;
        pages.push(json!({
            "next": wire::next_token(operation, &converted.output)?,
            "cut_short": wire::cut_short(operation, &converted.output),
            "is_empty": wire::is_empty(operation, &converted.output),
            "output": converted.output,
            "unknown": converted.unknown,
            "anomalies": converted.anomalies,
        }));
        outputs.push(converted.output);
    }
    Ok(json!({ "pages": pages, "merged": wire::merge(operation, outputs) }))
}

impl Response {
    fn page(self) -> Result<Page, Box<dyn Error>> {
        Ok(Page {
            status: self.status,
            headers: self.headers,
            body: Bytes::from(from_hex(&self.body)?),
            endpoint: String::new(),
            attempts: 1,
            started_at_ms: 0,
            finished_at_ms: 0,
        })
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a body with half a byte".into());
    }
    pairs.iter().map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
