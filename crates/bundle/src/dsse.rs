//! DSSE: what is signed when a document is signed (Dead Simple Signing Envelope v1).
//!
//! The payload is signed as it is, with its type and both lengths in front: no canonical form is needed. A signed
//! message never starts like a tag manifest or an SSH signature, so one key may sign all three kinds.

use crate::limits::SIGNED_MESSAGE_BYTES;

/// The type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The pre-authentication encoding: `DSSEv1 <length> <type> <length> <payload>`.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// What a signer signs for an in-toto statement; `None` when it is longer than any signer signs.
pub fn message(statement: &[u8]) -> Option<Vec<u8>> {
    let message = pae(PAYLOAD_TYPE, statement);
    (message.len() <= SIGNED_MESSAGE_BYTES).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_dsse_protocol_is_ours() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected);
    }

    #[test]
    fn no_more_than_a_signer_signs_is_a_message() {
        let room = SIGNED_MESSAGE_BYTES - pae(PAYLOAD_TYPE, &[b'x'; 4000]).len() + 4000;
        assert_eq!(message(&vec![b'x'; room]).unwrap().len(), SIGNED_MESSAGE_BYTES);
        assert_eq!(message(&vec![b'x'; room + 1]), None);
    }
}
