//! Which values of an answer the model calls sensitive.
//!
//! A cross-check for the redaction table, not the table: the model marks too little (pre-shared keys of tunnels are
//! plain strings in it) and too much (account names).

use crate::shape::{Operation, Service, Shape, ShapeId, Type};

impl Service {
    /// Pointers into an operation's output, `*` for each list index and map key: `/VpnConnections/*/Tunnel`.
    ///
    /// A shape that holds itself is followed once.
    pub fn sensitive_pointers(&self, operation: &Operation) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(output) = operation.output {
            self.sensitive_below(output, "", &mut Vec::new(), &mut found);
        }
        found.sort_unstable();
        found
    }

    fn sensitive_below(&self, id: ShapeId, path: &str, inside: &mut Vec<ShapeId>, found: &mut Vec<String>) {
        if inside.contains(&id) {
            return;
        }
        inside.push(id);
        match self.shape(id) {
            Shape::Structure { members, .. } => {
                for member in members {
                    let path = format!("{path}/{}", member.name);
                    if member.sensitive {
                        found.push(path);
                    } else if let Type::Shape(id) = member.kind {
                        self.sensitive_below(id, &path, inside, found);
                    }
                }
            }
            Shape::List { member: Type::Shape(id), .. } | Shape::Map { value: Type::Shape(id), .. } => {
                self.sensitive_below(*id, &format!("{path}/*"), inside, found);
            }
            Shape::List { .. } | Shape::Map { .. } => {}
        }
        inside.pop();
    }
}

#[cfg(test)]
mod tests {
    use crate::shape::Shapes;

    #[test]
    fn the_session_credentials_are_sensitive() {
        let shapes = Shapes::embedded().unwrap();
        let sts = shapes.service("sts").unwrap();
        let pointers = sts.sensitive_pointers(sts.operation("AssumeRole").unwrap());
        assert_eq!(pointers, ["/Credentials/SecretAccessKey"]);
    }

    #[test]
    fn the_vpn_configuration_is_sensitive() {
        let shapes = Shapes::embedded().unwrap();
        let ec2 = shapes.service("ec2").unwrap();
        let pointers = ec2.sensitive_pointers(ec2.operation("DescribeVpnConnections").unwrap());
        assert!(
            pointers.contains(&"/VpnConnections/*/CustomerGatewayConfiguration".to_owned()),
            "{pointers:?}"
        );
    }

    #[test]
    fn a_statement_inside_a_statement_ends() {
        let shapes = Shapes::embedded().unwrap();
        let waf = shapes.service("wafv2").unwrap();
        assert!(waf.sensitive_pointers(waf.operation("GetWebACL").unwrap()).is_empty());
    }
}
