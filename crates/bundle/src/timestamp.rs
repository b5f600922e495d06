//! RFC 3161: asking a timestamp authority, and judging what it answered.
//!
//! A [`Token`] exists only when every step of [`verify`] held: it proves that bytes with a known SHA-256 existed at
//! its time, according to an authority whose root certificate was pinned beforehand. The chain is judged at the time
//! in the token, so that a token outlives the certificates that made it.
//!
//! Refused: answers beyond [`RESPONSE_BYTES`], bytes after the end, DER that is not DER, more than one signer, times
//! with fractions of a second, RSA-PSS and everything older than SHA-256. There is no network here: the caller sends
//! the request and brings the answer.

mod algorithms;
mod attributes;
mod authorities;
mod certificate;
mod error;
mod request;
mod signer;

use cmpv2::status::PkiStatus;
use cms::signed_data::SignedData;
use der::Decode;
use der::asn1::{Int, ObjectIdentifier, OctetString};
use x509_tsp::{MessageImprint, TimeStampResp, TstInfo};

pub(crate) use authorities::certificates;
pub use authorities::{Authorities, AuthorityError};
pub use error::TimestampError;
pub use request::{Nonce, request};

use crate::digest::Digest;
use crate::time::UtcSecond;
use algorithms::Hash;

/// Longest answer that is read.
pub const RESPONSE_BYTES: usize = 64 << 10;

const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const ID_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// The content type of a request over HTTP.
pub const REQUEST_TYPE: &str = "application/timestamp-query";
/// The content type of an answer over HTTP.
pub const RESPONSE_TYPE: &str = "application/timestamp-reply";

/// What a verified answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    time: UtcSecond,
    imprint: Digest,
    serial: String,
    policy: String,
    authority: String,
    signer: Digest,
}

impl Token {
    /// When the imprint existed, by the authority's clock.
    pub fn time(&self) -> UtcSecond {
        self.time
    }

    /// The SHA-256 that is dated.
    pub fn imprint(&self) -> &Digest {
        &self.imprint
    }

    /// The authority's number for this token, in hexadecimal digits.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Under which of its policies the authority answered.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// The subject of the certificate that signed.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// SHA-256 of the certificate that signed.
    pub fn signer(&self) -> &Digest {
        &self.signer
    }
}

/// Judges the answer of an authority, in this order, stopping at the first step that fails:
///
/// 1. The size is within [`RESPONSE_BYTES`], and the whole of it is the DER of one answer.
/// 2. The status is granted, and there is a token.
/// 3. The token is signed data over a `TSTInfo` of version 1.
/// 4. The imprint is `imprint`, by SHA-256.
/// 5. The nonce is `nonce`, where the caller knows it.
/// 6. There is exactly one signer, by a digest algorithm that the token announces, and its certificate is there.
/// 7. The signed attributes name the content type, the digest of the content and that certificate, by `ESSCertIDv2`
///    or by the SHA-1 of the older `ESSCertID`; where both are present, by both.
/// 8. The certificate is for timestamping and nothing else, and says so critically.
/// 9. The signature is that certificate's.
/// 10. The certificate leads to a root of `authorities` that was in force at the time in the token, with every
///     certificate on the way, and the root, valid at that time.
pub fn verify(
    response: &[u8],
    imprint: &Digest,
    nonce: Option<&Nonce>,
    authorities: &Authorities,
) -> Result<Token, TimestampError> {
    let (signed, content, info, time) = open(response, imprint, nonce)?;
    // 6.
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err(TimestampError::Signers { found: signed.signer_infos.0.len() });
    };
    if !signed.digest_algorithms.iter().any(|algorithm| *algorithm == signer.digest_alg) {
        return Err(TimestampError::Algorithm { found: signer.digest_alg.oid.to_string() });
    }
    let pool = signer::pool(&signed, authorities)?;
    let certificate = signer::certificate(&signer.sid, &pool)?;
    // 7.
    let attributes = attributes::check(signer, &content, certificate)?;
    // 8.
    certificate.check_purpose()?;
    // 9.
    signer::check_signature(signer, certificate, &attributes)?;
    // 10.
    authorities.check_chain(certificate, &pool, time)?;
    Ok(Token {
        time,
        imprint: *imprint,
        serial: hexadecimal(info.serial_number.as_bytes()),
        policy: info.policy.to_string(),
        authority: certificate.subject(),
        signer: certificate.digest(),
    })
}

/// The time that an answer states, which nobody vouches for yet: steps 1 to 5 of [`verify`]. For a client that does
/// not know the authority's root, to tell an answer from something else before it keeps it.
pub fn stated_time(
    response: &[u8],
    imprint: &Digest,
    nonce: Option<&Nonce>,
) -> Result<UtcSecond, TimestampError> {
    let (_, _, _, time) = open(response, imprint, nonce)?;
    Ok(time)
}

/// Steps 1 to 5.
fn open(
    response: &[u8],
    imprint: &Digest,
    nonce: Option<&Nonce>,
) -> Result<(SignedData, Vec<u8>, TstInfo, UtcSecond), TimestampError> {
    // 1.
    if response.len() > RESPONSE_BYTES {
        return Err(TimestampError::TooLong { bytes: response.len() });
    }
    let answer = TimeStampResp::from_der(response).map_err(TimestampError::malformed("answer"))?;
    // 2.
    let status = answer.status.status;
    if !matches!(status, PkiStatus::Accepted | PkiStatus::GrantedWithMods) {
        return Err(TimestampError::NotGranted { status: format!("{status:?}") });
    }
    let token = answer.time_stamp_token.ok_or(TimestampError::NoToken)?;
    // 3.
    if token.content_type != ID_SIGNED_DATA {
        return Err(TimestampError::ContentType { found: token.content_type.to_string() });
    }
    let signed: SignedData = token.content.decode_as().map_err(TimestampError::malformed("signed data"))?;
    let encapsulated = &signed.encap_content_info;
    if encapsulated.econtent_type != ID_TST_INFO {
        return Err(TimestampError::ContentType { found: encapsulated.econtent_type.to_string() });
    }
    let content = encapsulated.econtent.as_ref().ok_or(TimestampError::NoToken)?;
    let content =
        content.decode_as::<OctetString>().map_err(TimestampError::malformed("content"))?.into_bytes();
    let info = TstInfo::from_der(&content).map_err(TimestampError::malformed("TSTInfo"))?;
    // 4.
    check_imprint(&info.message_imprint, imprint)?;
    // 5.
    if let Some(nonce) = nonce
        && info.nonce.as_ref().map(Int::as_bytes) != Some(nonce.integer())
    {
        return Err(TimestampError::Nonce);
    }
    let unix = i64::try_from(info.gen_time.to_unix_duration().as_secs()).ok();
    let time = unix.and_then(UtcSecond::from_unix).ok_or(TimestampError::Time)?;
    Ok((signed, content, info, time))
}

fn check_imprint(found: &MessageImprint, wanted: &Digest) -> Result<(), TimestampError> {
    let algorithm = Hash::of(&found.hash_algorithm);
    let same = found.hashed_message.as_bytes() == wanted.as_bytes();
    if algorithm == Some(Hash::Sha256) && same {
        Ok(())
    } else {
        Err(TimestampError::Imprint { wanted: *wanted })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}
