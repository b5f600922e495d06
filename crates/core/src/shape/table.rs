//! Reads one generated table.
//!
//! Refused: unknown fields, a type that names no shape, an output that is no structure, a paginator whose tokens do
//! not pair up, two body members of one structure with the same wire name.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::shape::{
    InputMember, Member, Operation, Paginator, Protocol, Service, Shape, ShapeError, ShapeId, Type,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    service: String,
    service_id: String,
    protocol: Spoken,
    api_version: String,
    endpoint_prefix: String,
    signing_name: String,
    xml_namespace: Option<String>,
    target_prefix: Option<String>,
    json_version: Option<String>,
    botocore: String,
    operations: BTreeMap<String, OperationRow>,
    shapes: BTreeMap<String, ShapeRow>,
}

#[derive(Deserialize)]
enum Spoken {
    #[serde(rename = "ec2")]
    Ec2,
    #[serde(rename = "query")]
    Query,
    #[serde(rename = "rest-xml")]
    RestXml,
    #[serde(rename = "json")]
    Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationRow {
    method: String,
    uri: String,
    input: Vec<InputMember>,
    output: Option<String>,
    root: Option<String>,
    result_wrapper: Option<String>,
    payload: Option<String>,
    #[serde(default)]
    payload_is_json: bool,
    unwrapped: Option<String>,
    paginator: Option<Paginator>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum ShapeRow {
    Structure {
        members: Vec<MemberRow>,
        #[serde(default)]
        union: bool,
    },
    List {
        list: String,
        wire: String,
    },
    Map {
        map: String,
        key: String,
        value: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberRow {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    wire: Option<String>,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    attribute: bool,
    namespace: Option<String>,
    location: Option<String>,
    #[serde(default)]
    sensitive: bool,
}

/// Shape name -> id, and the file for messages.
struct Names<'t> {
    file: &'t str,
    ids: BTreeMap<&'t str, ShapeId>,
}

impl Table {
    pub(super) fn read(file: &str, text: &str) -> Result<Service, ShapeError> {
        let table: Self = serde_json::from_str(text)
            .map_err(|source| ShapeError::Unreadable { file: file.to_owned(), source })?;
        let ids = table.shapes.keys().enumerate().map(|(index, name)| (name.as_str(), ShapeId(index)));
        let names = Names { file, ids: ids.collect() };
        let shapes: Vec<Shape> =
            table.shapes.iter().map(|(name, row)| names.shape(name, row)).collect::<Result<_, _>>()?;
        let mut operations = BTreeMap::new();
        for (name, row) in table.operations {
            operations.insert(name.clone(), names.operation(name, row, &shapes)?);
        }
        Ok(Service {
            name: table.service,
            service_id: table.service_id,
            protocol: match table.protocol {
                Spoken::Ec2 => Protocol::Ec2,
                Spoken::Query => Protocol::Query,
                Spoken::RestXml => Protocol::RestXml,
                Spoken::Json => Protocol::Json,
            },
            api_version: table.api_version,
            xml_namespace: table.xml_namespace,
            target_prefix: table.target_prefix,
            json_version: table.json_version,
            signing_name: table.signing_name,
            endpoint_prefix: table.endpoint_prefix,
            operations,
            botocore: table.botocore,
            shapes,
        })
    }
}

impl Names<'_> {
    fn inconsistent(&self, problem: String) -> ShapeError {
        ShapeError::Inconsistent { file: self.file.to_owned(), problem }
    }

    fn id(&self, name: &str) -> Result<ShapeId, ShapeError> {
        self.ids.get(name).copied().ok_or_else(|| self.inconsistent(format!("no shape {name:?}")))
    }

    fn kind(&self, word: &str) -> Result<Type, ShapeError> {
        Ok(match word {
            "string" => Type::String,
            "boolean" => Type::Boolean,
            "integer" => Type::Integer,
            "float" => Type::Float,
            "timestamp" => Type::Timestamp,
            "blob" => Type::Blob,
            "document" => Type::Document,
            other => match other.strip_prefix('#') {
                Some(name) => Type::Shape(self.id(name)?),
                None => return Err(self.inconsistent(format!("no type {other:?}"))),
            },
        })
    }

    fn shape(&self, name: &str, row: &ShapeRow) -> Result<Shape, ShapeError> {
        match row {
            ShapeRow::List { list, wire } => {
                Ok(Shape::List { member: self.kind(list)?, member_wire: wire.clone() })
            }
            ShapeRow::Map { map, key, value } => {
                Ok(Shape::Map { key_wire: key.clone(), value_wire: value.clone(), value: self.kind(map)? })
            }
            ShapeRow::Structure { members: rows, union } => {
                let members: Vec<Member> =
                    rows.iter().map(|row| self.member(row)).collect::<Result<_, _>>()?;
                let mut in_body: Vec<(&str, usize)> = members
                    .iter()
                    .enumerate()
                    .filter(|(_, member)| member.location.is_none() && !member.attribute)
                    .map(|(index, member)| (member.wire.as_str(), index))
                    .collect();
                in_body.sort_unstable();
                if let Some(pair) = in_body.array_windows().find(|[(one, _), (other, _)]| one == other) {
                    return Err(self.inconsistent(format!("{name} has two members {:?}", pair[0].0)));
                }
                let by_wire = in_body.into_iter().map(|(_, index)| index).collect();
                Ok(Shape::Structure { members, union: *union, by_wire })
            }
        }
    }

    fn member(&self, row: &MemberRow) -> Result<Member, ShapeError> {
        Ok(Member {
            name: row.name.clone(),
            wire: row.wire.clone().unwrap_or_else(|| row.name.clone()),
            kind: self.kind(&row.kind)?,
            flattened: row.flattened,
            attribute: row.attribute,
            namespace: row.namespace.clone(),
            location: row.location.clone(),
            sensitive: row.sensitive,
        })
    }

    fn operation(&self, name: String, row: OperationRow, shapes: &[Shape]) -> Result<Operation, ShapeError> {
        let output = row.output.as_deref().map(|output| self.id(output)).transpose()?;
        let output_members = match output.and_then(|id| shapes.get(id.0)) {
            None => Vec::new(),
            Some(Shape::Structure { members, .. }) => {
                members.iter().map(|member| member.name.clone()).collect()
            }
            Some(_) => return Err(self.inconsistent(format!("{name} answers with no structure"))),
        };
        for named in [&row.payload, &row.unwrapped].into_iter().flatten() {
            if !output_members.contains(named) {
                return Err(self.inconsistent(format!("{name} has no member {named:?}")));
            }
        }
        if let Some(pages) = &row.paginator {
            let paired = pages.input_tokens.len() == pages.output_tokens.len();
            if !paired || pages.input_tokens.is_empty() || pages.result_keys.is_empty() {
                return Err(self.inconsistent(format!("{name} has a paginator without tokens or results")));
            }
        }
        Ok(Operation {
            name,
            method: row.method,
            uri: row.uri,
            input_members: row.input,
            output,
            root: row.root,
            result_wrapper: row.result_wrapper,
            payload: row.payload,
            payload_is_json: row.payload_is_json,
            unwrapped: row.unwrapped,
            pages: row.paginator,
            output_members,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(operations: &str, shapes: &str) -> Result<Service, ShapeError> {
        let text = format!(
            r#"{{"service":"x","service_id":"X","protocol":"json","api_version":"1","endpoint_prefix":"x",
            "signing_name":"x","botocore":"0","operations":{operations},"shapes":{shapes}}}"#
        );
        Table::read("x.json", &text)
    }

    fn problem(operations: &str, shapes: &str) -> String {
        read(operations, shapes).unwrap_err().to_string()
    }

    #[test]
    fn a_type_that_names_no_shape_is_refused() {
        assert_eq!(
            problem("{}", r##"{"A":{"list":"#B","wire":"member"}}"##),
            r#"shape table x.json: no shape "B""#
        );
        assert_eq!(
            problem("{}", r#"{"A":{"list":"text","wire":"member"}}"#),
            r#"shape table x.json: no type "text""#
        );
    }

    #[test]
    fn two_members_with_one_wire_name_are_refused() {
        let shapes =
            r#"{"A":{"members":[{"name":"B","type":"string"},{"name":"C","wire":"B","type":"string"}]}}"#;
        assert_eq!(problem("{}", shapes), r#"shape table x.json: A has two members "B""#);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let error = read("{}", r#"{"A":{"members":[],"surprise":1}}"#).unwrap_err();
        assert!(matches!(error, ShapeError::Unreadable { .. }));
    }

    #[test]
    fn a_paginator_without_tokens_is_refused() {
        let operations = r#"{"Get":{"method":"POST","uri":"/","input":[],"output":"A","paginator":{"input_tokens":[],
            "output_tokens":[],"result_keys":["B"],"non_aggregate_keys":[],"from_botocore":true}}}"#;
        assert!(problem(operations, r#"{"A":{"members":[]}}"#).contains("paginator without tokens"));
    }

    #[test]
    fn an_output_that_is_no_structure_is_refused() {
        let operations = r#"{"Get":{"method":"POST","uri":"/","input":[],"output":"A"}}"#;
        let shapes = r#"{"A":{"list":"string","wire":"member"}}"#;
        assert!(problem(operations, shapes).contains("answers with no structure"));
    }
}
