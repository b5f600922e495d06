//! Asks IAM what a principal may do: `SimulatePrincipalPolicy`.
//!
//! IAM has no client here: one call that only `doctor` makes does not earn one. The request is made by the client of
//! STS, which speaks the same query protocol, with another body, to IAM's endpoint and signed for IAM.
//! API: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_sts::config::endpoint::{Params, ResolveEndpoint};
use aws_sdk_sts::config::retry::RetryPartition;
use aws_smithy_runtime_api::client::endpoint::EndpointFuture;
use aws_smithy_types::Document;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::endpoint::Endpoint;
use bytes::Bytes;
use evidenced_core::shape::Shapes;
use evidenced_core::simulation::{self, Decision};
use evidenced_core::source::{Account, Failure, FailureKind};
use evidenced_core::wire;

use super::capture::Capture;
use super::failure::Refusal;
use super::source::{AwsSource, refused};

const VERSION: &str = "2010-05-08";
/// More pages than a list of actions can have.
const PAGES: usize = 20;

/// Where IAM answers for a partition, and the region that it is signed for.
fn of_partition(partition: &str) -> (&'static str, &'static str) {
    match partition {
        "aws-cn" => ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        "aws-us-gov" => ("https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
        _ => ("https://iam.amazonaws.com", "us-east-1"),
    }
}

/// IAM in the place of STS.
#[derive(Debug)]
struct Iam {
    url: String,
    region: &'static str,
}

impl ResolveEndpoint for Iam {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        let text = |text: &str| Document::String(text.to_owned());
        let scheme = HashMap::from([
            ("name".to_owned(), text("sigv4")),
            ("signingName".to_owned(), text("iam")),
            ("signingRegion".to_owned(), text(self.region)),
        ]);
        let endpoint = Endpoint::builder().url(self.url.clone());
        let endpoint = endpoint.property("authSchemes", vec![Document::Object(scheme)]);
        EndpointFuture::ready(Ok(endpoint.build()))
    }
}

impl AwsSource {
    /// Which of `actions` the policies of `principal` (the ARN of a user or a role) allow, as IAM computes it.
    pub(crate) async fn simulate(
        &self,
        account: &Account,
        principal: &str,
        actions: &[&str],
    ) -> Result<Vec<Decision>, Failure> {
        let mut decisions = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.simulated(account, form(principal, actions, marker.as_deref())).await?;
            decisions.extend(page.decisions);
            marker = page.next;
            if marker.is_none() {
                return Ok(decisions);
            }
        }
        Err(ours("TooManyPages", format!("SimulatePrincipalPolicy has more than {PAGES} pages")))
    }

    async fn simulated(&self, account: &Account, form: String) -> Result<simulation::Simulated, Failure> {
        let config = self.account(account).map_err(|refusal| refused(&Capture::new(0), refusal))?;
        let (url, region) = of_partition(&account.partition);
        let own = std::env::var("AWS_ENDPOINT_URL_IAM").ok().filter(|url| !url.is_empty());
        let own = own.or_else(|| config.endpoint_url().map(str::to_owned));
        let iam = Iam { url: own.unwrap_or_else(|| url.to_owned()), region };
        let config = aws_sdk_sts::config::Builder::from(&config)
            .endpoint_resolver(iam)
            .retry_partition(RetryPartition::new(format!("{}-iam", account.id)));
        let client = aws_sdk_sts::Client::from_conf(config.build());
        // The parser is that of another call: it is shown what it expects, and the answer is in the capture.
        let stand_in = "<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>";
        let capture = Capture::new(BODY_BYTES).showing(Some(Bytes::from_static(stand_in.as_bytes())));
        let call = client.get_caller_identity().customize().interceptor(capture.clone());
        let call = call.mutate_request(move |request| {
            request.headers_mut().insert("content-length", form.len().to_string());
            *request.body_mut() = SdkBody::from(form.clone());
        });
        let outcome = call.send().await.map(drop).map_err(Refusal::of);
        let page = capture.finish(outcome)?;
        if page.status >= 300 {
            let shapes = Shapes::embedded().map_err(|error| ours("Shapes", error.to_string()))?;
            let Some(query) = shapes.service("sts") else { return Err(ours("Shapes", "no table of sts")) };
            let error = wire::service_error(query, &page);
            return Err(ours(&error.code, error.message));
        }
        simulation::read(&page.body).map_err(|error| ours("MalformedResponse", error.to_string()))
    }
}

const BODY_BYTES: usize = 4 << 20;

fn ours(code: &str, message: impl Into<String>) -> Failure {
    refused(&Capture::new(0), Refusal::new(FailureKind::Response, code, message))
}

/// The body of the request.
fn form(principal: &str, actions: &[&str], marker: Option<&str>) -> String {
    let mut form = format!("Action=SimulatePrincipalPolicy&Version={VERSION}");
    let mut add = |name: &str, value: &str| {
        write!(form, "&{name}={}", encoded(value)).unwrap_or_default();
    };
    add("PolicySourceArn", principal);
    for (number, action) in (1..).zip(actions) {
        add(&format!("ActionNames.member.{number}"), action);
    }
    if let Some(marker) = marker {
        add("Marker", marker);
    }
    form
}

fn encoded(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::aws::test_server::{Reply, Server};
    use crate::aws::{Keys, Secret, Settings};

    const ACCOUNT: &str = "111122223333";

    async fn ask(server: &Server, actions: &[&str]) -> Result<Vec<Decision>, Failure> {
        let keys = Keys { access_key_id: "AKIDEXAMPLE".to_owned(), secret_access_key: Secret::new("secret") };
        let source = AwsSource::new(Settings {
            keys: Some(keys),
            endpoint_url: Some(server.url.clone()),
            accounts: BTreeMap::from([(ACCOUNT.to_owned(), None)]),
            max_attempts: 1,
            ..Settings::default()
        });
        let account = Account { id: ACCOUNT.to_owned(), name: String::new(), partition: "aws".to_owned() };
        source.await.unwrap().simulate(&account, "arn:aws:iam::111122223333:role/a/Reader", actions).await
    }

    fn page(decisions: &[(&str, &str)], more: &str) -> Reply {
        let mut members = String::new();
        for (action, decision) in decisions {
            members.extend(["<member><EvalActionName>", action, "</EvalActionName><EvalDecision>", decision]);
            members.push_str("</EvalDecision></member>");
        }
        Reply::ok(&format!(
            "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>{more}<EvaluationResults>{members}\
             </EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        ))
    }

    #[tokio::test]
    async fn iam_is_asked_in_its_own_name_page_by_page() {
        let server = Server::start(|asked, _| {
            if asked.body.contains("&Marker=two") {
                page(&[("acm:ListCertificates", "implicitDeny")], "<IsTruncated>false</IsTruncated>")
            } else {
                page(
                    &[("ec2:DescribeVpcs", "allowed")],
                    "<IsTruncated>true</IsTruncated><Marker>two</Marker>",
                )
            }
        })
        .await;
        let found = ask(&server, &["ec2:DescribeVpcs", "acm:ListCertificates"]).await.unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.action.as_str(), it.is_allowed())).collect();
        assert_eq!(found, [("ec2:DescribeVpcs", true), ("acm:ListCertificates", false)]);
        let asked = server.asked();
        assert_eq!(asked.len(), 2);
        let scope = asked[0].headers.get("authorization").unwrap();
        assert!(scope.contains("/us-east-1/iam/aws4_request"), "{scope}");
        assert_eq!(
            asked[0].body,
            "Action=SimulatePrincipalPolicy&Version=2010-05-08\
             &PolicySourceArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fa%2FReader\
             &ActionNames.member.1=ec2%3ADescribeVpcs&ActionNames.member.2=acm%3AListCertificates"
        );
    }

    #[tokio::test]
    async fn a_denial_keeps_its_code_and_another_answer_is_refused() {
        let denied = Server::start(|_, _| {
            Reply::status(
                403,
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>",
            )
        });
        let failure = ask(&denied.await, &["ec2:DescribeVpcs"]).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("AccessDenied", "not you"));
        let other = Server::start(|_, _| Reply::ok("<html/>"));
        let failure = ask(&other.await, &["ec2:DescribeVpcs"]).await.unwrap_err();
        assert_eq!(failure.code, "MalformedResponse");
    }
}
