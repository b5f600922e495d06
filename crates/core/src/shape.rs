//! The shapes of AWS requests and responses, as far as the catalogue asks for them.
//!
//! Data, no code: names, types, paginators and bounds that `config/shapes/generate.py` cuts out of botocore's models.
//! `wire` reads responses with them; the simulated AWS writes responses with the same tables.
//! Promised: a table that is not whole (a type that names no shape, a paginator without tokens) does not load.

use std::collections::BTreeMap;

use crate::shape::table::Table;

mod partitions;
mod sensitive;
mod table;

pub use self::partitions::{Offer, Partition, Partitions};

/// The tables of all services.
#[derive(Debug)]
pub struct Shapes {
    services: BTreeMap<String, Service>,
}

/// Why the embedded tables do not load.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// The file is not the JSON that it should be.
    #[error("shape table {file} cannot be read")]
    Unreadable {
        /// Which file.
        file: String,
        /// What the JSON reader said.
        #[source]
        source: serde_json::Error,
    },
    /// The file contradicts itself.
    #[error("shape table {file}: {problem}")]
    Inconsistent {
        /// Which file.
        file: String,
        /// What does not fit.
        problem: String,
    },
}

/// How a service writes its responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// XML: the members stand in `<OperationResponse>`.
    Ec2,
    /// XML: the members stand in `<OperationResponse><OperationResult>`.
    Query,
    /// XML as S3 writes it: each operation has a root element of its own.
    RestXml,
    /// JSON 1.0 or 1.1.
    Json,
}

/// One service and what is known of it.
#[derive(Debug)]
pub struct Service {
    /// As the AWS CLI's model names it: `ec2`, `elbv2`, `wafv2`, `acm`, `config`, `s3`, `sts`, `organizations`.
    pub name: String,
    /// As AWS names it: `Elastic Load Balancing v2`.
    pub service_id: String,
    /// How it writes its responses.
    pub protocol: Protocol,
    /// Version of the API: `2016-11-15`.
    pub api_version: String,
    /// Default namespace of its XML responses.
    pub xml_namespace: Option<String>,
    /// What stands before the operation in `X-Amz-Target` (JSON).
    pub target_prefix: Option<String>,
    /// `1.0` or `1.1` (JSON).
    pub json_version: Option<String>,
    /// Name in the credential scope of a signature.
    pub signing_name: String,
    /// First label of the host name.
    pub endpoint_prefix: String,
    /// The operations of the catalogue, by name.
    pub operations: BTreeMap<String, Operation>,
    /// The botocore that the table was cut out of.
    pub botocore: String,
    shapes: Vec<Shape>,
}

/// One operation: what it takes and how it answers.
#[derive(Debug)]
pub struct Operation {
    /// As the API names it: `DescribeVpcs`.
    pub name: String,
    /// HTTP method.
    pub method: String,
    /// Request URI, for S3 with `{Bucket}` and the sub-resource.
    pub uri: String,
    /// Its parameters, top level only.
    pub input_members: Vec<InputMember>,
    /// The structure it answers with; none where the answer is empty.
    pub output: Option<ShapeId>,
    /// Root element of an XML answer.
    pub root: Option<String>,
    /// Element inside the root that holds the members (query protocol).
    pub result_wrapper: Option<String>,
    /// The one member that the whole body stands for.
    pub payload: Option<String>,
    /// The payload is a JSON text, kept as the text.
    pub payload_is_json: bool,
    /// The one member whose text stands in the root element itself.
    pub unwrapped: Option<String>,
    /// How its pages are asked for and put together.
    pub pages: Option<Paginator>,
    /// Names of the top-level members of the answer.
    pub output_members: Vec<String>,
}

/// One top-level parameter of an operation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputMember {
    /// As the CLI's JSON spells it: `MaxResults`.
    pub name: String,
    /// As the request spells it, without a list's index: `VpcId` of `VpcId.1`, `LoadBalancerArns.member`.
    pub wire: String,
    /// `string`, `boolean`, `integer`, `float`, `timestamp`, `blob`, `list`, `structure` or `map`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A request without it is refused.
    #[serde(default)]
    pub required: bool,
    /// Least value of a number.
    pub min: Option<i64>,
    /// Greatest value of a number.
    pub max: Option<i64>,
    /// What a string can be; empty where it is free.
    #[serde(default)]
    pub values: Vec<String>,
}

/// How the pages of an operation are asked for and put together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paginator {
    /// Parameters that take the tokens.
    pub input_tokens: Vec<String>,
    /// Members that hold them, in the order of `input_tokens`.
    pub output_tokens: Vec<String>,
    /// Top-level lists that are concatenated.
    pub result_keys: Vec<String>,
    /// Flag without which a token means nothing.
    pub more_results: Option<String>,
    /// Parameter that takes the page size.
    pub limit_key: Option<String>,
    /// Members that the merged answer takes from page 1.
    pub non_aggregate_keys: Vec<String>,
    /// Least page size; none where nobody says.
    pub page_size_min: Option<u32>,
    /// Greatest page size.
    pub page_size_max: Option<u32>,
    /// The CLI pages by itself. Without it the CLI prints one page and the token.
    pub from_botocore: bool,
}

/// Names a shape of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShapeId(usize);

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number, of any size.
    Integer,
    /// A number.
    Float,
    /// A point in time: ISO 8601 in XML, seconds since 1970 in JSON.
    Timestamp,
    /// Bytes, as base64 text.
    Blob,
    /// Any JSON.
    Document,
    /// A structure, list or map.
    Shape(ShapeId),
}

/// What is not a scalar.
#[derive(Debug)]
pub enum Shape {
    /// Named members.
    Structure {
        /// In the model's order.
        members: Vec<Member>,
        /// Exactly one member is set.
        union: bool,
        /// Indices of the body's members (no headers, no attributes), sorted by wire name.
        by_wire: Vec<usize>,
    },
    /// Many of one type.
    List {
        /// Of which type.
        member: Type,
        /// Name of each element in XML, unless the list is flattened.
        member_wire: String,
    },
    /// Values by name.
    Map {
        /// Name of the key's element in XML.
        key_wire: String,
        /// Name of the value's element in XML.
        value_wire: String,
        /// Type of the values.
        value: Type,
    },
}

/// One member of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As the CLI prints it: `VpcId`.
    pub name: String,
    /// As the service writes it: `vpcId`. For a flattened list the name of each element.
    pub wire: String,
    /// Of which type.
    pub kind: Type,
    /// A list or map whose elements stand directly in the structure.
    pub flattened: bool,
    /// An attribute of the structure's element; `wire` carries its prefix.
    pub attribute: bool,
    /// Namespace of the attribute.
    pub namespace: Option<String>,
    /// `header`: not in the body but in the header named `wire`.
    pub location: Option<String>,
    /// The model calls it sensitive.
    pub sensitive: bool,
}

/// Stands where an id belongs to another service: everything in it is unknown, nothing is lost.
static NOTHING: Shape = Shape::Structure { members: Vec::new(), union: false, by_wire: Vec::new() };

const EMBEDDED: [(&str, &str); 8] = [
    ("acm.json", include_str!("../../../config/shapes/acm.json")),
    ("config.json", include_str!("../../../config/shapes/config.json")),
    ("ec2.json", include_str!("../../../config/shapes/ec2.json")),
    ("elbv2.json", include_str!("../../../config/shapes/elbv2.json")),
    ("organizations.json", include_str!("../../../config/shapes/organizations.json")),
    ("s3.json", include_str!("../../../config/shapes/s3.json")),
    ("sts.json", include_str!("../../../config/shapes/sts.json")),
    ("wafv2.json", include_str!("../../../config/shapes/wafv2.json")),
];

impl Shapes {
    /// The tables that this program was built with.
    pub fn embedded() -> Result<Self, ShapeError> {
        let mut services = BTreeMap::new();
        for (file, text) in EMBEDDED {
            let service = Table::read(file, text)?;
            services.insert(service.name.clone(), service);
        }
        Ok(Self { services })
    }

    /// One service by the CLI's name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    /// Every service, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }
}

impl Service {
    /// One operation by the API's name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// The shape that an id of this service names. An id of another service names a structure without members.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        self.shapes.get(id.0).unwrap_or(&NOTHING)
    }

    /// The members of a structure; none where `kind` is something else.
    pub fn members(&self, kind: Type) -> &[Member] {
        match kind {
            Type::Shape(id) => match self.shape(id) {
                Shape::Structure { members, .. } => members,
                Shape::List { .. } | Shape::Map { .. } => &[],
            },
            _ => &[],
        }
    }
}

impl Operation {
    /// A parameter by the CLI's name.
    pub fn input_member(&self, name: &str) -> Option<&InputMember> {
        self.input_members.iter().find(|member| member.name == name)
    }
}

impl Shape {
    /// The member of a structure that the body spells `wire`.
    pub fn member(&self, wire: &str) -> Option<&Member> {
        let Self::Structure { members, by_wire, .. } = self else { return None };
        let spelling = |index: &usize| members.get(*index).map_or("", |member| member.wire.as_str());
        let found = by_wire.binary_search_by(|index| spelling(index).cmp(wire)).ok()?;
        members.get(*by_wire.get(found)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_table_loads() {
        let shapes = Shapes::embedded().unwrap();
        let operations: usize = shapes.services().map(|service| service.operations.len()).sum();
        assert_eq!((shapes.services().count(), operations), (8, 64));
    }

    #[test]
    fn a_member_is_found_by_its_wire_name_only() {
        let shapes = Shapes::embedded().unwrap();
        let ec2 = shapes.service("ec2").unwrap();
        let output = ec2.shape(ec2.operation("DescribeVpcs").unwrap().output.unwrap());
        assert_eq!(output.member("vpcSet").unwrap().name, "Vpcs");
        assert_eq!(output.member("Vpcs"), None);
    }

    #[test]
    fn every_paged_call_with_a_page_size_has_a_maximum() {
        let shapes = Shapes::embedded().unwrap();
        for service in shapes.services() {
            for pages in service.operations.values().filter_map(|operation| operation.pages.as_ref()) {
                assert_eq!(pages.limit_key.is_some(), pages.page_size_max.is_some());
            }
        }
    }

    #[test]
    fn an_id_of_another_service_names_nothing() {
        let shapes = Shapes::embedded().unwrap();
        let far = ShapeId(100_000);
        assert!(
            matches!(shapes.service("sts").unwrap().shape(far), Shape::Structure { members, .. } if members.is_empty())
        );
    }
}
