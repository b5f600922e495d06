//! What IAM says that a principal may do: the answer of `SimulatePrincipalPolicy`, read.
//!
//! Pure. An action that the answer does not name has no decision: the caller must not take it for allowed.
//! API: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>.

use roxmltree::{Document, Node, ParsingOptions};

/// What one action may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Such as `ec2:DescribeVpcs`.
    pub action: String,
    /// `allowed`, `implicitDeny` or `explicitDeny`.
    pub decision: String,
    /// Whether a policy of the organisation denies it.
    pub denied_by_organization: bool,
}

impl Decision {
    /// Whether a call would be let through.
    pub fn is_allowed(&self) -> bool {
        self.decision == "allowed" && !self.denied_by_organization
    }
}

/// One page of decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// In the order of the answer.
    pub decisions: Vec<Decision>,
    /// The marker of the next page.
    pub next: Option<String>,
}

/// The answer is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// It is not XML.
    #[error("the answer is not XML: {0}")]
    Malformed(String),
    /// It is the answer to something else, or lacks a part.
    #[error("the answer has no {0}")]
    Lacks(&'static str),
}

/// Reads the body of a page.
pub fn read(body: &[u8]) -> Result<Simulated, SimulationError> {
    let text = str::from_utf8(body).map_err(|error| SimulationError::Malformed(error.to_string()))?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 200_000, entity_resolver: None };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| SimulationError::Malformed(error.to_string()))?;
    let result = child(document.root_element(), "SimulatePrincipalPolicyResult")
        .ok_or(SimulationError::Lacks("SimulatePrincipalPolicyResult"))?;
    let results = child(result, "EvaluationResults").ok_or(SimulationError::Lacks("EvaluationResults"))?;
    let mut decisions = Vec::new();
    // Only direct children: matched statements have members too.
    for member in results.children().filter(|node| node.tag_name().name() == "member") {
        let word = |name| child(member, name).and_then(|node| node.text()).map(str::trim);
        let by_organization = child(member, "OrganizationsDecisionDetail")
            .and_then(|detail| child(detail, "AllowedByOrganizations"))
            .and_then(|node| node.text());
        decisions.push(Decision {
            action: word("EvalActionName").ok_or(SimulationError::Lacks("EvalActionName"))?.to_owned(),
            decision: word("EvalDecision").ok_or(SimulationError::Lacks("EvalDecision"))?.to_owned(),
            denied_by_organization: by_organization.is_some_and(|text| text.trim() != "true"),
        });
    }
    let truncated = child(result, "IsTruncated").and_then(|node| node.text()).map(str::trim);
    let marker = child(result, "Marker").and_then(|node| node.text()).map(|text| text.trim().to_owned());
    let next = match (truncated, marker) {
        (Some("true"), Some(marker)) if !marker.is_empty() => Some(marker),
        (Some("true"), _) => return Err(SimulationError::Lacks("Marker, and is truncated")),
        _ => None,
    };
    Ok(Simulated { decisions, next })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
      <SimulatePrincipalPolicyResult>
        <IsTruncated>false</IsTruncated>
        <EvaluationResults>
          <member>
            <MatchedStatements><member><SourcePolicyId>PolicyInputList.1</SourcePolicyId></member></MatchedStatements>
            <EvalResourceName>*</EvalResourceName>
            <EvalDecision>allowed</EvalDecision><EvalActionName>ec2:DescribeVpcs</EvalActionName>
          </member>
          <member>
            <EvalDecision>implicitDeny</EvalDecision><EvalActionName>acm:ListCertificates</EvalActionName>
          </member>
          <member>
            <EvalDecision>allowed</EvalDecision><EvalActionName>wafv2:ListWebACLs</EvalActionName>
            <OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>
          </member>
        </EvaluationResults>
      </SimulatePrincipalPolicyResult>
    </SimulatePrincipalPolicyResponse>"#;

    #[test]
    fn decisions_are_read_and_only_an_undisputed_allow_is_one() {
        let read = read(ANSWER.as_bytes()).unwrap();
        let found: Vec<_> = read.decisions.iter().map(|it| (it.action.as_str(), it.is_allowed())).collect();
        assert_eq!(
            found,
            [("ec2:DescribeVpcs", true), ("acm:ListCertificates", false), ("wafv2:ListWebACLs", false)]
        );
        assert_eq!(read.next, None);
    }

    #[test]
    fn a_list_that_goes_on_names_its_marker_or_is_refused() {
        let more = ANSWER.replace("<IsTruncated>false<", "<Marker>two</Marker><IsTruncated>true<");
        assert_eq!(read(more.as_bytes()).unwrap().next.as_deref(), Some("two"));
        let lost = ANSWER.replace("<IsTruncated>false<", "<IsTruncated>true<");
        assert!(read(lost.as_bytes()).is_err());
    }

    #[test]
    fn another_answer_is_none() {
        for body in [
            "",
            "no",
            "<Response/>",
            "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult/></SimulatePrincipalPolicyResponse>",
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        let nameless = ANSWER.replace("EvalActionName", "Other");
        assert_eq!(read(nameless.as_bytes()), Err(SimulationError::Lacks("EvalActionName")));
    }
}
