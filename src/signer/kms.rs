//! A key that never leaves AWS KMS.
//!
//! Promised: `ED25519_SHA_512` over `RAW` messages and nothing else (the `PH` variant hashes twice and no verifier
//! takes it), at most 4,096 bytes, and 64 bytes back that pass strict verification under the public key that KMS gave
//! at the start. Refused: a key of another kind or usage, an answer by another key, a signature that does not verify.
//! API: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html>.
//!
//! The calls are synchronous, as [`Signer`] is: they run on a thread of their own (never on one of the runtime's).

use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyUsageType, MessageType, SigningAlgorithmSpec};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use evidenced_bundle::PublicKey;
use evidenced_bundle::key::KeyError;
use evidenced_bundle::limits::SIGNED_MESSAGE_BYTES;
use evidenced_bundle::log::{Signer, SignerError};
use tokio::runtime::Handle;

/// The one algorithm.
const ALGORITHM: SigningAlgorithmSpec = SigningAlgorithmSpec::Ed25519Sha512;

/// Why a KMS key did not sign, or cannot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KmsError {
    /// KMS refused or did not answer.
    #[error("KMS key {key}: {action} failed with {code}: {message}")]
    Refused {
        /// As configured.
        key: String,
        /// The API's name.
        action: &'static str,
        /// The server's code, or `NoAnswer`.
        code: String,
        /// The server's words.
        message: String,
    },
    /// A key for something else.
    #[error("KMS key {key}: is for {found}, expected an ECC_NIST_EDWARDS25519 key for SIGN_VERIFY")]
    OtherKind {
        /// As configured.
        key: String,
        /// Usage and algorithms.
        found: String,
    },
    /// The public key is none that can be trusted.
    #[error("KMS key {key}: its public key cannot be used")]
    Public {
        /// As configured.
        key: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// Longer than what KMS signs.
    #[error("KMS key {key}: a message of {bytes} bytes is longer than {SIGNED_MESSAGE_BYTES}")]
    TooLong {
        /// As configured.
        key: String,
        /// Its length.
        bytes: usize,
    },
    /// Not 64 bytes.
    #[error("KMS key {key}: the signature has {bytes} bytes, not 64")]
    Length {
        /// As configured.
        key: String,
        /// How many.
        bytes: usize,
    },
    /// A signature, but not this one.
    #[error("KMS key {key}: the signature does not verify: nothing is published under it")]
    Signature {
        /// As configured.
        key: String,
        /// Why.
        #[source]
        source: KeyError,
    },
}

impl KmsError {
    fn refused<E>(key: &str, action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let answered = error.as_service_error();
        let code = answered.and_then(ProvideErrorMetadata::code).unwrap_or("NoAnswer").to_owned();
        let message = answered.and_then(ProvideErrorMetadata::message);
        let message = message.map_or_else(|| crate::aws::chain(error), str::to_owned);
        Self::Refused { key: key.to_owned(), action, code, message }
    }
}

/// A key in KMS, with its public half.
#[derive(Debug)]
pub(crate) struct KmsKey {
    client: Client,
    runtime: Handle,
    key: String,
    public: PublicKey,
}

impl KmsKey {
    /// Asks for the public half, and sees that it is a key for this use. `key` is an id, an ARN or an alias.
    pub(crate) async fn open(client: Client, runtime: Handle, key: &str) -> Result<Self, KmsError> {
        let answer = client.get_public_key().key_id(key).send().await;
        let answer = answer.map_err(|error| KmsError::refused(key, "GetPublicKey", &error))?;
        let algorithms = answer.signing_algorithms();
        if answer.key_usage() != Some(&KeyUsageType::SignVerify) || !algorithms.contains(&ALGORITHM) {
            let usage = answer.key_usage().map_or("no usage", KeyUsageType::as_str);
            let algorithms: Vec<&str> = algorithms.iter().map(SigningAlgorithmSpec::as_str).collect();
            let found = format!("{usage} with {}", algorithms.join(", "));
            return Err(KmsError::OtherKind { key: key.to_owned(), found });
        }
        let der = answer.public_key().map(AsRef::as_ref).unwrap_or_default();
        let public =
            PublicKey::from_spki(der).map_err(|source| KmsError::Public { key: key.to_owned(), source })?;
        Ok(Self { client, runtime, key: key.to_owned(), public })
    }

    fn signature(&self, message: &[u8]) -> Result<[u8; 64], KmsError> {
        let key = || self.key.clone();
        if message.len() > SIGNED_MESSAGE_BYTES {
            return Err(KmsError::TooLong { key: key(), bytes: message.len() });
        }
        let sign = self.client.sign().key_id(&self.key).message(Blob::new(message));
        let sign = sign.message_type(MessageType::Raw).signing_algorithm(ALGORITHM);
        let answer = self.runtime.block_on(sign.send());
        let answer = answer.map_err(|error| KmsError::refused(&self.key, "Sign", &error))?;
        let bytes = answer.signature().map(AsRef::as_ref).unwrap_or_default();
        let signature =
            <[u8; 64]>::try_from(bytes).map_err(|_| KmsError::Length { key: key(), bytes: bytes.len() })?;
        self.public
            .verify_strict(message, &signature)
            .map_err(|source| KmsError::Signature { key: key(), source })?;
        Ok(signature)
    }
}

impl Signer for KmsKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let refused = |source: KmsError| SignerError { id: *self.public.id(), source: source.into() };
        self.signature(message).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_types::base64;
    use evidenced_bundle::EvidenceKey;
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::test_server::{Reply, Server};

    /// RFC 8032, section 7.3: the secret key, and its Ed25519ph signature over `abc`.
    const PH_SEED: &str = "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42";
    const PH_SIGNATURE: &str = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
                                31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn key() -> EvidenceKey {
        EvidenceKey::from_seed(&bytes(PH_SEED).try_into().unwrap())
    }

    /// A KMS that signs, and then does `fault` to the signature.
    async fn kms(fault: fn(Vec<u8>) -> Vec<u8>) -> Server {
        Server::start(move |asked, _| {
            let request: Value = serde_json::from_str(&asked.body).unwrap();
            let answer = match asked.action().as_str() {
                "TrentService.GetPublicKey" => json!({
                    "KeyId": "k", "KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_EDWARDS25519",
                    "SigningAlgorithms": ["ED25519_SHA_512", "ED25519_PH_SHA_512"],
                    "PublicKey": base64::encode(key().public().to_spki()),
                }),
                "TrentService.Sign" => {
                    assert_eq!(request["MessageType"], "RAW");
                    assert_eq!(request["SigningAlgorithm"], "ED25519_SHA_512");
                    let message = base64::decode(request["Message"].as_str().unwrap()).unwrap();
                    let signature = fault(key().sign(&message).unwrap().to_vec());
                    json!({ "KeyId": "k", "Signature": base64::encode(signature) })
                }
                other => panic!("{other} was asked for"),
            };
            Reply::ok(&answer.to_string())
        })
        .await
    }

    async fn sign(server: &Server, message: &'static [u8]) -> Result<[u8; 64], KmsError> {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
            .http_client(crate::aws::test_client())
            .endpoint_url(&server.url)
            .build();
        let key = KmsKey::open(Client::from_conf(config), Handle::current(), "alias/evidence").await?;
        tokio::task::spawn_blocking(move || key.signature(message)).await.unwrap()
    }

    #[tokio::test]
    async fn a_signature_of_kms_is_the_one_that_the_key_itself_makes() {
        let server = kms(|signature| signature).await;
        assert_eq!(sign(&server, b"abc").await.unwrap(), key().sign(b"abc").unwrap());
    }

    #[tokio::test]
    async fn wrong_prehashed_and_truncated_signatures_are_refused() {
        let wrong = kms(|_| key().sign(b"another message").unwrap().to_vec()).await;
        assert!(matches!(sign(&wrong, b"abc").await, Err(KmsError::Signature { .. })));
        let flipped = kms(|mut signature| {
            signature[5] ^= 1;
            signature
        });
        assert!(matches!(sign(&flipped.await, b"abc").await, Err(KmsError::Signature { .. })));
        let prehashed = kms(|_| bytes(PH_SIGNATURE)).await;
        assert!(matches!(sign(&prehashed, b"abc").await, Err(KmsError::Signature { .. })));
        let truncated = kms(|signature| signature[..63].to_vec()).await;
        assert!(matches!(sign(&truncated, b"abc").await, Err(KmsError::Length { bytes: 63, .. })));
        let empty = kms(|_| Vec::new()).await;
        assert!(matches!(sign(&empty, b"abc").await, Err(KmsError::Length { bytes: 0, .. })));
    }

    #[tokio::test]
    async fn a_message_that_kms_would_refuse_is_not_sent() {
        let server = kms(|signature| signature).await;
        let long: &'static [u8] = Box::leak(vec![0; SIGNED_MESSAGE_BYTES + 1].into_boxed_slice());
        assert!(matches!(sign(&server, long).await, Err(KmsError::TooLong { bytes: 4097, .. })));
        assert!(server.asked().iter().all(|asked| asked.action() != "TrentService.Sign"));
    }

    #[tokio::test]
    async fn a_key_for_something_else_is_refused_and_so_is_a_denial() {
        let rsa = Server::start(|_, _| {
            let answer = json!({ "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["RSASSA_PSS_SHA_256"] });
            Reply::ok(&answer.to_string())
        });
        assert!(matches!(sign(&rsa.await, b"abc").await, Err(KmsError::OtherKind { .. })));
        let weak = Server::start(|_, _| {
            let mut der = key().public().to_spki();
            der.truncate(12);
            der.extend([0; 32]);
            let answer = json!({ "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ED25519_SHA_512"],
                "PublicKey": base64::encode(der) });
            Reply::ok(&answer.to_string())
        });
        assert!(matches!(sign(&weak.await, b"abc").await, Err(KmsError::Public { .. })));
        let denied = Server::start(|_, _| {
            Reply::status(400, r#"{"__type":"AccessDeniedException","message":"no kms:GetPublicKey"}"#)
        });
        let refused = sign(&denied.await, b"abc").await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "KMS key alias/evidence: GetPublicKey failed with AccessDeniedException: no kms:GetPublicKey"
        );
    }
}
