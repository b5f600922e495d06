//! The redaction table: which values never reach a document.
//!
//! A redacted value becomes the string `<removed>` before anything is hashed, and its JSON Pointer is listed. Raw
//! bodies of operations in this table are never kept. Tags are not secrets and stay (docs/PRIVACY.md).

use serde_json::Value;

/// What stands in place of a redacted value.
pub const REMOVED: &str = "<removed>";

/// Header names whose values are secrets shared with an origin or a client.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    headers: Vec<String>,
}

/// A rule of the table.
enum Rule {
    /// The value at this path; `*` is every entry of a list.
    Path(&'static [&'static str]),
    /// Values that go with a secret header's name, anywhere in the output.
    Headers,
}

/// The table, by service and operation.
fn rules(service: &str, operation: &str) -> &'static [Rule] {
    match (service, operation) {
        ("ec2", "DescribeVpnConnections") => &[
            Rule::Path(&["VpnConnections", "*", "CustomerGatewayConfiguration"]),
            Rule::Path(&["VpnConnections", "*", "Options", "TunnelOptions", "*", "PreSharedKey"]),
        ],
        ("elbv2", "DescribeListeners") => &[Rule::Path(&[
            "Listeners",
            "*",
            "DefaultActions",
            "*",
            "AuthenticateOidcConfig",
            "ClientSecret",
        ])],
        ("elbv2", "DescribeRules") => &[
            Rule::Path(&["Rules", "*", "Actions", "*", "AuthenticateOidcConfig", "ClientSecret"]),
            Rule::Headers,
        ],
        ("wafv2", "GetWebACL" | "GetRuleGroup" | "DescribeManagedRuleGroup") => &[Rule::Headers],
        _ => &[],
    }
}

impl Redactor {
    /// `headers` are named in the configuration, beside the built-in `x-*-secret`, `x-*-token`, `x-*-key`.
    pub fn new(headers: &[String]) -> Self {
        Self { headers: headers.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether the operation has any redaction: its raw bodies are then never kept.
    pub fn covers(service: &str, operation: &str) -> bool {
        !rules(service, operation).is_empty()
    }

    /// Redacts an output in place and gives the pointers of what was removed, in document order.
    pub fn apply(&self, service: &str, operation: &str, output: &mut Value) -> Vec<String> {
        let mut removed = Vec::new();
        for rule in rules(service, operation) {
            match rule {
                Rule::Path(path) => remove_at(output, path, String::new(), &mut removed),
                Rule::Headers => self.remove_headers(output, "", &mut removed),
            }
        }
        removed
    }

    fn is_secret(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let built_in = name.strip_prefix("x-").is_some_and(|rest| {
            ["secret", "token", "key"].iter().any(|word| {
                rest.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with('-'))
            })
        });
        built_in || self.headers.contains(&name)
    }

    /// Whether an object's own members say that it is about a secret header.
    fn names_secret(&self, value: &Value) -> bool {
        let name = value
            .get("HttpHeaderName")
            .or_else(|| value.pointer("/FieldToMatch/SingleHeader/Name"))
            // Inserted headers of WAF are `{Name, Value}`.
            .or_else(|| value.get("Value").and_then(|_| value.get("Name")));
        name.and_then(Value::as_str).is_some_and(|name| self.is_secret(name))
    }

    fn remove_headers(&self, value: &mut Value, at: &str, removed: &mut Vec<String>) {
        if value.is_object() && self.names_secret(value) {
            for member in ["Values", "RegexValues", "SearchString", "RegexString", "Value"] {
                if let Some(found) = value.get_mut(member) {
                    remove(found, format!("{at}/{member}"), removed);
                }
            }
        }
        match value {
            Value::Object(members) => {
                for (name, inner) in members.iter_mut() {
                    self.remove_headers(inner, &format!("{at}/{}", escape(name)), removed);
                }
            }
            Value::Array(entries) => {
                for (index, inner) in entries.iter_mut().enumerate() {
                    self.remove_headers(inner, &format!("{at}/{index}"), removed);
                }
            }
            _ => {}
        }
    }
}

fn remove_at(value: &mut Value, path: &[&str], at: String, removed: &mut Vec<String>) {
    let Some((first, rest)) = path.split_first() else {
        return remove(value, at, removed);
    };
    if *first == "*" {
        for (index, entry) in value.as_array_mut().into_iter().flatten().enumerate() {
            remove_at(entry, rest, format!("{at}/{index}"), removed);
        }
    } else if let Some(member) = value.get_mut(*first) {
        remove_at(member, rest, format!("{at}/{}", escape(first)), removed);
    }
}

/// A scalar becomes `<removed>`; of a list or an object every leaf does, so that the shape stays.
fn remove(value: &mut Value, at: String, removed: &mut Vec<String>) {
    match value {
        Value::Array(entries) => {
            for (index, entry) in entries.iter_mut().enumerate() {
                remove(entry, format!("{at}/{index}"), removed);
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                remove(member, format!("{at}/{}", escape(name)), removed);
            }
        }
        _ => {
            *value = Value::String(REMOVED.to_owned());
            removed.push(at);
        }
    }
}

/// A reference token of RFC 6901.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pre_shared_keys_and_gateway_configurations_are_removed_and_listed() {
        let mut output = json!({ "VpnConnections": [{ "VpnConnectionId": "vpn-1",
            "CustomerGatewayConfiguration": "<xml>s3cret</xml>",
            "Options": { "TunnelOptions": [{ "PreSharedKey": "s3cret" }, { "OutsideIpAddress": "192.0.2.1" }] } }] });
        let removed = Redactor::default().apply("ec2", "DescribeVpnConnections", &mut output);
        assert_eq!(
            removed,
            [
                "/VpnConnections/0/CustomerGatewayConfiguration",
                "/VpnConnections/0/Options/TunnelOptions/0/PreSharedKey"
            ]
        );
        assert!(!output.to_string().contains("s3cret"));
        assert!(output.to_string().contains("vpn-1"));
    }

    #[test]
    fn values_of_secret_headers_are_removed_and_others_stay() {
        let rule = |name: &str| {
            json!({ "Conditions": [{ "Field": "http-header",
            "HttpHeaderConfig": { "HttpHeaderName": name, "Values": ["s3cret", "s3cret-2"] } }] })
        };
        let mut output = json!({ "Rules": [rule("X-Origin-Secret"), rule("User-Agent"), rule("cf-shared")] });
        let removed = Redactor::new(&["CF-Shared".into()]).apply("elbv2", "DescribeRules", &mut output);
        assert_eq!(removed.len(), 4);
        assert_eq!(output.pointer("/Rules/1/Conditions/0/HttpHeaderConfig/Values/0"), Some(&json!("s3cret")));
        assert_eq!(output.pointer("/Rules/2/Conditions/0/HttpHeaderConfig/Values/1"), Some(&json!(REMOVED)));
    }

    #[test]
    fn search_strings_of_secret_headers_are_removed_at_any_depth() {
        let mut output = json!({ "WebACL": { "Rules": [{ "Statement": { "NotStatement": { "Statement": {
            "ByteMatchStatement": { "SearchString": "s3cret",
                "FieldToMatch": { "SingleHeader": { "Name": "x-origin-token" } } } } } },
            "Action": { "Allow": { "CustomRequestHandling": { "InsertHeaders": [
                { "Name": "x-waf-key", "Value": "s3cret" }, { "Name": "x-note", "Value": "seen" }] } } } }] } });
        let removed = Redactor::default().apply("wafv2", "GetWebACL", &mut output);
        assert_eq!(removed.len(), 2);
        assert!(!output.to_string().contains("s3cret"));
        assert!(output.to_string().contains("seen"));
    }

    #[test]
    fn every_call_with_a_redaction_is_in_the_privacy_page() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PRIVACY.md"));
        let steps = crate::item::catalogue().into_iter().flat_map(|item| item.steps);
        let covered: Vec<_> = steps.filter(|it| Redactor::covers(it.service, it.operation)).collect();
        assert!(covered.len() >= 6);
        for step in covered {
            assert!(page.contains(step.operation), "{}", step.operation);
        }
    }
}
