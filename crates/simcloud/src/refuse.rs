//! Refusals in the words of each service: what AWS says when it does not answer.
//!
//! The codes are those that clients act on (retry, renew credentials, record as a fact), so they differ between
//! services as AWS's do. Written out by `write`.

use evidenced_core::shape::{Protocol, Service};

/// An answer with a status of 300 and more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// More members of the error, such as `BucketName`.
    pub(crate) more: Vec<(&'static str, String)>,
    /// Headers besides the usual ones.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), more: Vec::new(), headers: Vec::new() }
    }

    pub(crate) fn with(mut self, member: &'static str, value: impl Into<String>) -> Self {
        self.more.push((member, value.into()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The families of error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ec2,
    Query,
    S3,
    Json,
}

fn family(service: &Service) -> Family {
    match service.protocol {
        Protocol::Ec2 => Family::Ec2,
        Protocol::Query => Family::Query,
        Protocol::RestXml => Family::S3,
        Protocol::Json => Family::Json,
    }
}

const NOT_VALIDATED: &str = "AWS was not able to validate the provided access credentials";
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";

/// No signature at all.
pub(crate) fn unsigned(service: &Service) -> Refusal {
    let text = "Request is missing Authentication Token";
    match family(service) {
        Family::Ec2 => Refusal::new(401, "AuthFailure", NOT_VALIDATED),
        Family::Query => Refusal::new(403, "MissingAuthenticationToken", text),
        Family::S3 => Refusal::new(403, "AccessDenied", "Access Denied"),
        Family::Json => Refusal::new(400, "MissingAuthenticationTokenException", text),
    }
}

/// A signature of which parts are missing.
pub(crate) fn incomplete(service: &Service, what: &str) -> Refusal {
    match family(service) {
        Family::S3 => Refusal::new(400, "AuthorizationHeaderMalformed", what),
        Family::Json => Refusal::new(400, "IncompleteSignatureException", what),
        _ => Refusal::new(400, "IncompleteSignature", what),
    }
}

/// A key id that nobody has.
pub(crate) fn unknown_key(service: &Service) -> Refusal {
    match family(service) {
        Family::Ec2 => Refusal::new(401, "AuthFailure", NOT_VALIDATED),
        Family::Query => Refusal::new(403, "InvalidClientTokenId", INVALID_TOKEN),
        Family::S3 => Refusal::new(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Family::Json => Refusal::new(400, "UnrecognizedClientException", INVALID_TOKEN),
    }
}

/// A session token that was not given out.
pub(crate) fn unknown_token(service: &Service) -> Refusal {
    match family(service) {
        Family::S3 => {
            Refusal::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        }
        _ => unknown_key(service),
    }
}

/// Credentials of a session that is over.
pub(crate) fn expired(service: &Service) -> Refusal {
    match family(service) {
        Family::Ec2 => Refusal::new(400, "RequestExpired", "Request has expired."),
        Family::Query => {
            Refusal::new(403, "ExpiredToken", "The security token included in the request is expired")
        }
        Family::S3 => Refusal::new(400, "ExpiredToken", "The provided token has expired."),
        Family::Json => Refusal::new(
            400,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
    }
}

/// A signature that does not match.
pub(crate) fn wrong_signature(service: &Service) -> Refusal {
    let text = "The request signature we calculated does not match the signature you provided. Check your AWS \
                Secret Access Key and signing method. Consult the service documentation for details.";
    match family(service) {
        Family::Json => Refusal::new(403, "InvalidSignatureException", text),
        _ => Refusal::new(403, "SignatureDoesNotMatch", text),
    }
}

/// A signature for another region or service than the endpoint's.
pub(crate) fn wrong_scope(service: &Service, what: &str) -> Refusal {
    match family(service) {
        Family::S3 => Refusal::new(400, "AuthorizationHeaderMalformed", what),
        Family::Json => Refusal::new(403, "InvalidSignatureException", what),
        _ => Refusal::new(403, "SignatureDoesNotMatch", what),
    }
}

/// A request whose time is more than a quarter of an hour off.
pub(crate) fn skewed(service: &Service, request: &str, server: &str) -> Refusal {
    match family(service) {
        Family::Ec2 => {
            Refusal::new(400, "RequestExpired", format!("Request has expired. Timestamp date is {request}"))
        }
        Family::S3 => Refusal::new(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .with("RequestTime", request)
        .with("ServerTime", server),
        _ => wrong_scope(service, &format!("Signature expired: {request} is now earlier than {server}")),
    }
}

/// The account has not opted in to the region.
pub(crate) fn region_disabled(service: &Service) -> Refusal {
    unknown_key(service)
}

/// The caller lacks a permission; an explicit deny of a service control policy is named.
pub(crate) fn denied(service: &Service, action: &str, arn: &str, scp: bool) -> Refusal {
    let reason = if scp {
        " with an explicit deny in a service control policy".to_owned()
    } else {
        format!(" because no identity-based policy allows the {action} action")
    };
    let on = format!("User: {arn} is not authorized to perform: {action} on resource: *{reason}");
    match family(service) {
        Family::Ec2 => Refusal::new(
            403,
            "UnauthorizedOperation",
            format!(
                "You are not authorized to perform this operation. User: {arn} is not authorized to perform: {action}{reason}"
            ),
        ),
        Family::Json => Refusal::new(400, "AccessDeniedException", on),
        Family::Query | Family::S3 => Refusal::new(403, "AccessDenied", on),
    }
}

/// Too many requests.
pub(crate) fn throttled(service: &Service) -> Refusal {
    match family(service) {
        Family::Ec2 => Refusal::new(503, "RequestLimitExceeded", "Request limit exceeded."),
        Family::Query => Refusal::new(400, "Throttling", "Rate exceeded"),
        Family::S3 => Refusal::new(503, "SlowDown", "Please reduce your request rate."),
        Family::Json if service.name == "organizations" => {
            Refusal::new(400, "TooManyRequestsException", "Rate exceeded")
        }
        Family::Json => Refusal::new(400, "ThrottlingException", "Rate exceeded"),
    }
}

/// The server's fault.
pub(crate) fn server_error(service: &Service, status: u16) -> Refusal {
    let unavailable = status == 503;
    let (code, message) = match (family(service), unavailable) {
        (Family::Ec2, true) => ("Unavailable", "The service is unavailable. Please try again shortly."),
        (Family::Ec2 | Family::S3, false) => {
            ("InternalError", "We encountered an internal error. Please try again.")
        }
        (Family::S3, true) => ("ServiceUnavailable", "Service is unable to handle request."),
        (Family::Query, true) => ("ServiceUnavailable", "Service Unavailable"),
        (Family::Json, true) => ("ServiceUnavailableException", "Service Unavailable"),
        (Family::Query | Family::Json, false) => ("InternalFailure", "The request processing has failed."),
    };
    Refusal::new(status, code, message)
}

/// An action that the service does not have, or that is not simulated.
pub(crate) fn unknown_action(service: &Service, action: &str) -> Refusal {
    let text = format!("The action {action} is not valid for this web service.");
    match family(service) {
        Family::Ec2 | Family::Query => Refusal::new(400, "InvalidAction", text),
        Family::S3 => Refusal::new(
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
        ),
        Family::Json => Refusal::new(400, "UnknownOperationException", text),
    }
}

/// A parameter that has to be there and is not.
pub(crate) fn missing_parameter(service: &Service, name: &str) -> Refusal {
    match family(service) {
        Family::Ec2 => {
            Refusal::new(400, "MissingParameter", format!("The request must contain the parameter {name}"))
        }
        _ => invalid(service, &constraint("null", name, "Member must not be null")),
    }
}

/// A parameter that the operation does not have.
pub(crate) fn unknown_parameter(name: &str) -> Refusal {
    Refusal::new(400, "UnknownParameter", format!("The parameter {name} is not recognized"))
}

/// A number outside the model's bounds.
pub(crate) fn out_of_bounds(service: &Service, name: &str, value: &str, bound: Bound) -> Refusal {
    let small = camel(name);
    match (family(service), bound) {
        (Family::Ec2, Bound::AtLeast(least)) => Refusal::new(
            400,
            "InvalidParameterValue",
            format!(
                "Value ( {value} ) for parameter {small} is invalid. Expecting a value greater than or equal to {least}."
            ),
        ),
        (Family::Ec2, Bound::AtMost(most)) => Refusal::new(
            400,
            "InvalidParameterValue",
            format!(
                "Value ( {value} ) for parameter {small} is invalid. Expecting a value less than or equal to {most}."
            ),
        ),
        (_, Bound::AtLeast(least)) => {
            let must = format!("Member must have value greater than or equal to {least}");
            invalid(service, &constraint(&format!("'{value}'"), name, &must))
        }
        (_, Bound::AtMost(most)) => {
            let must = format!("Member must have value less than or equal to {most}");
            invalid(service, &constraint(&format!("'{value}'"), name, &must))
        }
    }
}

/// Which bound was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    AtLeast(u32),
    AtMost(u32),
}

/// A value that is none of those allowed.
pub(crate) fn not_allowed(service: &Service, name: &str, value: &str, allowed: &[String]) -> Refusal {
    let must = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
    invalid(service, &constraint(&format!("'{value}'"), name, &must))
}

fn constraint(value: &str, name: &str, must: &str) -> String {
    format!(
        "1 validation error detected: Value {value} at '{}' failed to satisfy constraint: {must}",
        camel(name)
    )
}

fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// A parameter with a value that makes no sense.
pub(crate) fn invalid(service: &Service, message: &str) -> Refusal {
    match family(service) {
        Family::Ec2 => Refusal::new(400, "InvalidParameterValue", message),
        Family::Query => Refusal::new(400, "ValidationError", message),
        Family::S3 => Refusal::new(400, "InvalidArgument", message),
        Family::Json if service.name == "organizations" => {
            Refusal::new(400, "InvalidInputException", message)
        }
        Family::Json => Refusal::new(400, "ValidationException", message),
    }
}

/// A page token that was not given out for this request.
pub(crate) fn invalid_page_token(service: &Service) -> Refusal {
    match service.name.as_str() {
        "ec2" => Refusal::new(400, "InvalidNextToken", "The specified NextToken is not valid."),
        "elbv2" => Refusal::new(400, "ValidationError", "The marker is not valid"),
        "config" => Refusal::new(
            400,
            "InvalidNextTokenException",
            "The specified next token is invalid. Specify the nextToken string that was returned in the previous \
             response to get the next page of results.",
        ),
        "acm" => Refusal::new(400, "ValidationException", "Unable to parse NextToken"),
        "wafv2" => Refusal::new(
            400,
            "WAFInvalidParameterException",
            "Error reason: The marker is not valid., field: NEXT_MARKER, parameter: NextMarker",
        ),
        "organizations" => {
            Refusal::new(400, "InvalidInputException", "You provided an invalid value for the token.")
                .with("Reason", "INVALID_NEXT_TOKEN")
        }
        _ => Refusal::new(400, "InvalidArgument", "The continuation token provided is incorrect"),
    }
}

/// What the request asks for does not exist.
pub(crate) fn not_found(service: &Service, operation: &str) -> Refusal {
    match (service.name.as_str(), operation) {
        ("ec2", "SearchTransitGatewayRoutes") => ec2_not_found("InvalidRouteTableID", "route table"),
        ("ec2", "GetManagedPrefixListEntries") => ec2_not_found("InvalidPrefixListID", "prefix list"),
        ("ec2", "DescribeStaleSecurityGroups") => ec2_not_found("InvalidVpcID", "vpc"),
        ("ec2", _) => ec2_not_found("InvalidID", "resource"),
        ("elbv2", "DescribeRules" | "DescribeListenerCertificates") => {
            Refusal::new(400, "ListenerNotFound", "One or more listeners not found")
        }
        ("elbv2", _) => Refusal::new(400, "LoadBalancerNotFound", "One or more load balancers not found"),
        ("config", _) => Refusal::new(
            400,
            "NoSuchConfigRuleException",
            "The ConfigRule provided in the request is invalid.",
        ),
        ("acm", _) => Refusal::new(400, "ResourceNotFoundException", "Could not find the certificate"),
        ("wafv2", _) => Refusal::new(
            400,
            "WAFNonexistentItemException",
            "AWS WAF couldn’t perform the operation because your resource doesn’t exist.",
        ),
        ("s3", _) => Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist"),
        ("organizations", _) => {
            Refusal::new(400, "AccountNotFoundException", "You specified an account that doesn't exist.")
        }
        _ => Refusal::new(404, "NoSuchEntity", "The resource cannot be found"),
    }
}

fn ec2_not_found(code: &str, noun: &str) -> Refusal {
    Refusal::new(400, format!("{code}.NotFound"), format!("The {noun} does not exist"))
}
