//! The law of the writer: what it writes, `wire` reads back as it was.

use std::collections::BTreeMap;

use bytes::Bytes;
use evidenced_core::{
    shape::{Operation, Protocol, Service, Shape, Shapes, Type},
    source::Page,
    wire,
};
use serde_json::{Map, Number, Value, json};

use super::answer;
use crate::digest::{Mix, base64};

const TEXTS: [&str; 10] = [
    "vpc-0abc",
    "a & b <c> \"d\" 'e'",
    "Zürich 日本 🚀",
    "  leading and trailing  ",
    "line1\nline2\ttab",
    "carriage\rreturn\r\n",
    "true",
    "0.0.0.0/0",
    "]]>",
    "{\"a\":\"b\"}",
];

fn page(body: Vec<u8>) -> Page {
    Page {
        status: 200,
        headers: BTreeMap::new(),
        body: Bytes::from(body),
        endpoint: "http://127.0.0.1:1".to_owned(),
        attempts: 1,
        started_at_ms: 0,
        finished_at_ms: 0,
    }
}

/// Random values of a service's shapes.
struct Random<'a> {
    service: &'a Service,
    state: u64,
}

impl Random<'_> {
    fn below(&mut self, end: u64) -> u64 {
        self.state = Mix::new(self.state).finish();
        self.state % end
    }

    fn text(&mut self) -> String {
        let at = usize::try_from(self.below(10)).unwrap();
        TEXTS[at].to_owned()
    }

    fn value(&mut self, kind: Type, depth: u32) -> Value {
        let Type::Shape(id) = kind else {
            return match kind {
                Type::Boolean => json!(self.below(2) == 1),
                Type::Integer => {
                    json!([0, -1, 65_535, i64::MAX, i64::MIN][usize::try_from(self.below(5)).unwrap()])
                }
                Type::Float => {
                    let text = ["0.05", "3", "12345.678"][usize::try_from(self.below(3)).unwrap()];
                    Value::Number(text.parse::<Number>().unwrap())
                }
                Type::Timestamp => {
                    let times = [
                        "2026-10-01T02:00:00+00:00",
                        "1999-12-31T23:59:59.123456+00:00",
                        "2024-02-29T00:00:00.500000+00:00",
                    ];
                    json!(times[usize::try_from(self.below(3)).unwrap()])
                }
                Type::Blob => json!(base64(&self.state.to_be_bytes())),
                _ => json!(self.text()),
            };
        };
        match self.service.shape(id) {
            Shape::Structure { members, union, .. } => {
                let chosen = union.then(|| self.below(u64::try_from(members.len().max(1)).unwrap()));
                let mut values = Map::new();
                for (at, member) in (0..).zip(members) {
                    let skip = match chosen {
                        Some(chosen) => at != chosen,
                        None => self.below(3) == 0,
                    };
                    if skip || member.location.is_some() || depth > 9 {
                        continue;
                    }
                    let value = self.value(member.kind, depth + 1);
                    // A flattened list without elements leaves no trace.
                    let gone = member.flattened && (value == json!([]) || value == json!({}));
                    if !gone {
                        values.insert(member.name.clone(), value);
                    }
                }
                Value::Object(values)
            }
            Shape::List { member, .. } => (0..self.below(if depth < 6 { 4 } else { 1 }))
                .map(|_| self.value(*member, depth + 1))
                .collect(),
            Shape::Map { value, .. } => {
                let keys = ["a", "b c", "d&e"];
                let count = usize::try_from(self.below(4)).unwrap();
                (keys.iter().take(count))
                    .map(|key| ((*key).to_owned(), self.value(*value, depth + 1)))
                    .collect::<Map<_, _>>()
                    .into()
            }
        }
    }

    fn output(&mut self, operation: &Operation) -> Value {
        let Some(id) = operation.output else { return json!({}) };
        if let Some(payload) = &operation.payload {
            let kind = super::structure(self.service, id)
                .iter()
                .find(|member| member.name == *payload)
                .unwrap()
                .kind;
            return match kind {
                Type::Shape(_) => json!({payload.as_str(): self.value(kind, 1)}),
                _ => json!({payload.as_str(): "{\"Version\": \"2012-10-17\"}"}),
            };
        }
        if let Some(text) = &operation.unwrapped {
            return json!({text.as_str(): "eu-west-1"});
        }
        self.value(Type::Shape(id), 0)
    }
}

fn holds(service: &Service, operation: &Operation, output: &Value) {
    let body = answer(service, operation, output).body("00000000-0000-0000-0000-000000000000");
    let shown = String::from_utf8_lossy(&body).into_owned();
    let read = wire::convert(service, operation, &page(body)).unwrap();
    assert_eq!(&read.output, output, "{} {}: {shown}", service.name, operation.name);
    assert_eq!(
        (read.unknown, read.anomalies),
        (vec![], vec![]),
        "{} {}: {shown}",
        service.name,
        operation.name
    );
}

#[test]
fn what_is_written_reads_back_as_it_was_for_every_operation() {
    let shapes = Shapes::embedded().unwrap();
    let mut count = 0;
    for service in shapes.services() {
        for operation in service.operations.values() {
            for round in 0..40 {
                let mut random = Random { service, state: Mix::new(round).word(&operation.name).finish() };
                let output = random.output(operation);
                holds(service, operation, &output);
                count += 1;
            }
        }
    }
    assert!(count >= 2_000, "{count}");
}

#[test]
fn a_bucket_in_us_east_1_has_no_location() {
    let shapes = Shapes::embedded().unwrap();
    let service = shapes.service("s3").unwrap();
    let operation = service.operation("GetBucketLocation").unwrap();
    holds(service, operation, &json!({"LocationConstraint": null}));
}

#[test]
fn members_that_the_table_does_not_know_are_written_under_their_own_name() {
    let shapes = Shapes::embedded().unwrap();
    for (service, operation) in
        [("ec2", "DescribeVpcs"), ("acm", "DescribeCertificate"), ("elbv2", "DescribeRules")]
    {
        let service = shapes.service(service).unwrap();
        let operation = service.operation(operation).unwrap();
        let output = json!({"zzFutureSet": [{"a": "1"}, {"a": "2"}], "zzFutureFlag": "yes & <no>"});
        let body = answer(service, operation, &output).body("id");
        let read = wire::convert(service, operation, &page(body)).unwrap();
        assert_eq!(read.output, output);
        assert!(!read.unknown.is_empty());
        assert_eq!(service.protocol == Protocol::Json, service.name == "acm");
    }
}
