//! Checks Signature Version 4, in the steps of AWS's documentation.
//!
//! 1. take the `Authorization` header apart
//! 2. rebuild the canonical request from what was received
//! 3. derive the key from the scope
//! 4. compare
//!
//! The service and the region of a request are those of its credential scope.
//! Refused: other algorithms, signatures in the query, a payload hash that is not the payload's.

use hyper::HeaderMap;

use crate::digest::{hex, hmac, sha256};

/// The parts of an `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Authorization<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// What a signature is made over.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// As received, percent-encoded.
    pub(crate) path: &'a str,
    /// As received, without the question mark.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Why a signature is not right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// There is no `x-amz-date`, or a signed header is missing.
    Incomplete(&'static str),
    /// The payload is not what was signed.
    Payload,
    /// It does not match.
    Signature,
}

impl<'a> Authorization<'a> {
    /// Step 1.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("AWS4-HMAC-SHA256")?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (key, value) = part.trim().split_once('=')?;
            match key {
                "Credential" => credential = Some(value),
                "SignedHeaders" => signed_headers = Some(value),
                "Signature" => signature = Some(value),
                _ => return None,
            }
        }
        let mut scope = credential?.split('/');
        let found = Self {
            key_id: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            signed_headers: signed_headers?,
            signature: signature?,
        };
        (scope.next()? == "aws4_request" && scope.next().is_none()).then_some(found)
    }

    /// Steps 2 to 4.
    pub(crate) fn verify(&self, secret: &str, signed: &Signed<'_>) -> Result<(), Wrong> {
        let text = |name: &str| signed.headers.get(name).and_then(|value| value.to_str().ok());
        let time = text("x-amz-date").ok_or(Wrong::Incomplete("x-amz-date"))?;
        if time.get(..8) != Some(self.date) {
            return Err(Wrong::Incomplete("a date that is that of the credential scope"));
        }
        // The host must be signed, or a request could be sent elsewhere.
        if !self.signed_headers.split(';').any(|name| name == "host") {
            return Err(Wrong::Incomplete("host among the signed headers"));
        }
        let actual = hex(&sha256(&[signed.body]));
        let payload = match text("x-amz-content-sha256") {
            Some(claimed) if claimed != "UNSIGNED-PAYLOAD" && claimed != actual => {
                return Err(Wrong::Payload);
            }
            Some(claimed) => claimed,
            None => &actual,
        };
        // Step 2.
        let mut canonical = String::with_capacity(512);
        canonical.push_str(signed.method);
        canonical.push('\n');
        if self.service == "s3" {
            encode(&mut canonical, &decode(signed.path), b"/");
        } else {
            encode(&mut canonical, signed.path.as_bytes(), b"/");
        }
        canonical.push('\n');
        canonical_query(&mut canonical, signed.query);
        canonical.push('\n');
        for name in self.signed_headers.split(';') {
            let mut values = signed.headers.get_all(name).iter().peekable();
            if values.peek().is_none() {
                return Err(Wrong::Incomplete("a header that is signed"));
            }
            canonical.push_str(name);
            for (at, value) in values.enumerate() {
                canonical.push(if at == 0 { ':' } else { ',' });
                let value = value.to_str().map_err(|_| Wrong::Signature)?;
                for (at, word) in value.split_ascii_whitespace().enumerate() {
                    if at > 0 {
                        canonical.push(' ');
                    }
                    canonical.push_str(word);
                }
            }
            canonical.push('\n');
        }
        canonical.push('\n');
        canonical.push_str(self.signed_headers);
        canonical.push('\n');
        canonical.push_str(payload);
        // Step 3.
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let digest = hex(&sha256(&[canonical.as_bytes()]));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let key = hmac(format!("AWS4{secret}").as_bytes(), &[self.date.as_bytes()]);
        let key = hmac(&key, &[self.region.as_bytes()]);
        let key = hmac(&key, &[self.service.as_bytes()]);
        let key = hmac(&key, &[b"aws4_request"]);
        // Step 4.
        let expected = hex(&hmac(&key, &[to_sign.as_bytes()]));
        if expected == self.signature { Ok(()) } else { Err(Wrong::Signature) }
    }
}

fn canonical_query(out: &mut String, query: &str) {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (mut name, mut text) = (String::new(), String::new());
            encode(&mut name, &decode(key), b"");
            encode(&mut text, &decode(value), b"");
            (name, text)
        })
        .collect();
    pairs.sort();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// Percent-encodes all but the unreserved characters and `keep`.
fn encode(out: &mut String, bytes: &[u8], keep: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) || keep.contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[*byte]).to_ascii_uppercase());
        }
    }
}

/// Percent-decodes; what is not an escape stays.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let escape = match byte {
            b'%' => match (ahead.next().and_then(digit), ahead.next().and_then(digit)) {
                (Some(high), Some(low)) => Some(high * 16 + low),
                _ => None,
            },
            _ => None,
        };
        match escape {
            Some(value) => {
                bytes = ahead;
                out.push(value);
            }
            None => out.push(byte),
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    // AWS's own example: "get-vanilla-query-order-key-case" of the Signature Version 4 test suite.
    fn vanilla(query: &str, signature: &str) -> Result<(), Wrong> {
        let header = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let mut headers = HeaderMap::new();
        headers.insert("host", "example.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        let signed = Signed { method: "GET", path: "/", query, headers: &headers, body: b"" };
        Authorization::parse(&header).unwrap().verify("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", &signed)
    }

    #[test]
    fn the_examples_of_aws_match() {
        let get = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(vanilla("", get), Ok(()));
        let query = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
        assert_eq!(vanilla("Param2=value2&Param1=value1", query), Ok(()));
        assert_eq!(vanilla("Param2=value2&Param1=value2", query), Err(Wrong::Signature));
    }

    #[test]
    fn headers_that_are_not_of_this_form_are_refused() {
        for text in [
            "",
            "AWS4-HMAC-SHA256",
            "Basic dXNlcg==",
            "AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/ec2, SignedHeaders=host, Signature=1",
            "AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/ec2/aws4_request, Signature=1",
        ] {
            assert_eq!(Authorization::parse(text), None, "{text}");
        }
    }

    #[test]
    fn escapes_are_decoded_and_the_rest_stays() {
        assert_eq!(decode("a%20b%zz%4"), b"a b%zz%4");
    }
}
