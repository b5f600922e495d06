//! Ed25519 keys: files that OpenSSL reads, signatures that only the strict rule accepts.
//!
//! Private keys are PKCS#8 v1 (v2, the default of many libraries, is refused by OpenSSL 3.0), wiped from memory when
//! dropped and never printed. A public key that is of small order is not a [`PublicKey`]. No signer here signs more
//! than [`SIGNED_MESSAGE_BYTES`], because AWS KMS does not.

use std::collections::BTreeMap;
use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::digest::KeyId;
use crate::limits::SIGNED_MESSAGE_BYTES;
use crate::pem;

/// DER of a PKCS#8 v1 `PrivateKeyInfo` for Ed25519, up to the 32 bytes of the seed.
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// DER of a `SubjectPublicKeyInfo` for Ed25519, up to the 32 bytes of the key.
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PRIVATE_LABEL: &str = "PRIVATE KEY";
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// What is wrong with a key, a message or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not the PEM of such a key.
    #[error("not the PEM of an Ed25519 {expected}")]
    Malformed {
        /// Which kind of file was expected.
        expected: &'static str,
    },
    /// The 32 bytes are no point of the curve, or one of small order.
    #[error("public key {id} is weak or no point of the curve")]
    Weak {
        /// Its id.
        id: KeyId,
    },
    /// Longer than any signer signs.
    #[error("message of {bytes} bytes is longer than the {SIGNED_MESSAGE_BYTES} bytes that are ever signed")]
    MessageTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The signature is not one of this key over this message.
    #[error("signature is not one of key {id} over this message")]
    BadSignature {
        /// The id of the key.
        id: KeyId,
    },
}

/// A private key that signs evidence, held in memory.
pub struct EvidenceKey {
    signing: SigningKey,
    public: PublicKey,
}

impl EvidenceKey {
    /// The key of a 32-byte seed. The caller brings the randomness.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let public = PublicKey::of(signing.verifying_key());
        Self { signing, public }
    }

    /// Reads a PKCS#8 v1 file as `openssl genpkey -algorithm ED25519` writes it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let malformed = KeyError::Malformed { expected: "private key (PKCS#8 v1)" };
        let der = Zeroizing::new(pem::parse(PRIVATE_LABEL, text).ok_or(malformed.clone())?);
        let seed = der.strip_prefix(&PRIVATE_PREFIX).and_then(|seed| <&[u8; 32]>::try_from(seed).ok());
        seed.map(Self::from_seed).ok_or(malformed)
    }

    /// The PKCS#8 v1 file of this key, byte for byte as OpenSSL writes it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut der = Zeroizing::new(Vec::with_capacity(48));
        der.extend_from_slice(&PRIVATE_PREFIX);
        der.extend_from_slice(self.signing.as_bytes());
        Zeroizing::new(pem::print(PRIVATE_LABEL, &der))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message` with pure Ed25519.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.sign_within(message, SIGNED_MESSAGE_BYTES)
    }

    /// For trust roots, whose keys are held offline and never by a KMS.
    pub(crate) fn sign_within(&self, message: &[u8], limit_bytes: usize) -> Result<[u8; 64], KeyError> {
        if message.len() > limit_bytes {
            return Err(KeyError::MessageTooLong { bytes: message.len() });
        }
        Ok(self.signing.sign(message).to_bytes())
    }
}

impl fmt::Debug for EvidenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceKey({})", self.public.id)
    }
}

/// A public key that is not weak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    verifying: VerifyingKey,
    id: KeyId,
}

impl PublicKey {
    /// The key of these 32 bytes; refuses what is no point and what is of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let weak = || KeyError::Weak { id: KeyId::of_spki(&spki(bytes)) };
        let verifying = VerifyingKey::from_bytes(bytes).map_err(|_| weak())?;
        // A second encoding of the same point would have a second id.
        let canonical = VerifyingKey::from(verifying.to_edwards()).to_bytes() == *bytes;
        if verifying.is_weak() || !canonical { Err(weak()) } else { Ok(Self::of(verifying)) }
    }

    fn of(verifying: VerifyingKey) -> Self {
        Self { verifying, id: KeyId::of_spki(&spki(verifying.as_bytes())) }
    }

    /// Reads a `SubjectPublicKeyInfo` (44 bytes of DER), as AWS KMS returns it.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let bytes = der.strip_prefix(&PUBLIC_PREFIX).and_then(|bytes| <&[u8; 32]>::try_from(bytes).ok());
        bytes.map_or(Err(KeyError::Malformed { expected: "public key" }), Self::from_bytes)
    }

    /// Reads a `SubjectPublicKeyInfo` PEM as `openssl pkey -pubout` writes it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem::parse(PUBLIC_LABEL, text).ok_or(KeyError::Malformed { expected: "public key" })?;
        Self::from_spki(&der)
    }

    /// The PEM of this key, byte for byte as OpenSSL writes it.
    pub fn to_pem(&self) -> String {
        pem::print(PUBLIC_LABEL, &spki(self.verifying.as_bytes()))
    }

    /// The 32 bytes of RFC 8032.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.verifying.as_bytes()
    }

    /// The DER `SubjectPublicKeyInfo`: 44 bytes.
    pub fn to_spki(&self) -> Vec<u8> {
        spki(self.verifying.as_bytes())
    }

    /// SHA-256 of the DER `SubjectPublicKeyInfo`.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Refuses malleable signatures, small-order points and everything that RFC 8032 leaves open.
    pub fn verify_strict(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        self.verifying
            .verify_strict(message, &Signature::from_bytes(signature))
            .map_err(|_| KeyError::BadSignature { id: self.id })
    }
}

fn spki(bytes: &[u8; 32]) -> Vec<u8> {
    [&PUBLIC_PREFIX[..], bytes].concat()
}

/// The keys that the verifying person trusts. Never those of the bundle.
#[derive(Debug, Clone)]
pub struct TrustedKeys {
    keys: BTreeMap<KeyId, PublicKey>,
}

impl TrustedKeys {
    /// `None` when there is no key: nothing could be verified then.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Option<Self> {
        let keys: BTreeMap<_, _> = keys.into_iter().map(|key| (key.id, key)).collect();
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// The ids of the keys.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.keys()
    }

    /// The key with this id.
    pub fn by_id(&self, id: &KeyId) -> Option<&PublicKey> {
        self.keys.get(id)
    }

    /// The keys, by their ids.
    pub fn all(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values()
    }

    /// The key whose signature this is.
    pub fn signer(&self, message: &[u8], signature: &[u8; 64]) -> Option<&PublicKey> {
        self.keys.values().find(|key| key.verify_strict(message, signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_are_read_back() {
        let key = EvidenceKey::from_seed(&[1; 32]);
        let again = EvidenceKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(again.public().id(), key.public().id());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem()).unwrap(), *key.public());
        assert_eq!(
            key.public().id().to_string(),
            "fd110d301d2f077de1414b8f99f441b1403fab207b2052fbd2c065e4ee8e7dc2"
        );
    }

    #[test]
    fn a_key_file_of_another_kind_is_refused() {
        let key = EvidenceKey::from_seed(&[1; 32]);
        assert!(EvidenceKey::from_pem(&key.public().to_pem()).is_err());
        assert!(PublicKey::from_pem(&key.to_pem()).is_err());
        assert!(EvidenceKey::from_pem("").is_err());
        assert!(PublicKey::from_spki(&[0; 44]).is_err());
    }

    #[test]
    fn a_private_key_is_not_printed() {
        let key = EvidenceKey::from_seed(&[7; 32]);
        assert_eq!(format!("{key:?}"), format!("EvidenceKey({})", key.public().id()));
    }

    #[test]
    fn points_of_small_order_are_no_keys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut order_two = [0xff; 32];
        (order_two[0], order_two[31]) = (0xec, 0x7f);
        let mut not_canonical = [0xff; 32];
        (not_canonical[0], not_canonical[31]) = (0xee, 0x7f);
        for weak in [identity, [0; 32], order_two, not_canonical] {
            assert!(matches!(PublicKey::from_bytes(&weak), Err(KeyError::Weak { .. })), "{weak:02x?}");
        }
    }

    #[test]
    fn a_long_message_is_not_signed() {
        let key = EvidenceKey::from_seed(&[1; 32]);
        assert!(key.sign(&[0; 4096]).is_ok());
        assert_eq!(key.sign(&[0; 4097]), Err(KeyError::MessageTooLong { bytes: 4097 }));
    }

    #[test]
    fn a_flipped_bit_of_message_or_signature_is_refused() {
        let key = EvidenceKey::from_seed(&[1; 32]);
        let signature = key.sign(b"message").unwrap();
        assert_eq!(key.public().verify_strict(b"message", &signature), Ok(()));
        assert!(key.public().verify_strict(b"massage", &signature).is_err());
        for bit in 0..512 {
            let mut other = signature;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(key.public().verify_strict(b"message", &other).is_err(), "bit {bit}");
        }
    }
}
