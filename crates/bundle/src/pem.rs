//! PEM around short DER: the two kinds of key file that this crate knows.
//!
//! Writes what OpenSSL writes. Reads one block with nothing around it but blank lines, and only canonical base64. It
//! stands here instead of a crate because the DER inside is fixed bytes: five crates for two constants.

use crate::base64;

/// The PEM of `der`, at most 48 bytes of which go on a line.
pub(crate) fn print(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        text.push_str(&base64::encode(line));
        text.push('\n');
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// The bytes of the one block with this label; `None` for anything else.
pub(crate) fn parse(label: &str, text: &str) -> Option<Vec<u8>> {
    let body = text
        .trim_matches(['\r', '\n', ' '])
        .strip_prefix("-----BEGIN ")?
        .strip_prefix(label)?
        .strip_prefix("-----")?
        .strip_suffix("-----")?
        .strip_suffix(label)?
        .strip_suffix("-----END ")?;
    let digits: Vec<u8> = body.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    base64::decode(&digits).filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use proptest::prelude::*;

    #[test]
    fn a_second_block_or_text_around_it_is_refused() {
        let one = print("X", b"some bytes");
        assert_eq!(parse("X", &one).unwrap(), b"some bytes");
        assert_eq!(parse("X", &one.replace('\n', "\r\n")).unwrap(), b"some bytes");
        assert_eq!(parse("Y", &one), None);
        assert_eq!(parse("X", &format!("{one}{one}")), None);
        assert_eq!(parse("X", &format!("comment\n{one}")), None);
        assert_eq!(parse("X", "-----BEGIN X-----\nAB==\n-----END X-----\n"), None, "unused bits");
        assert_eq!(parse("X", "-----BEGIN X-----\n-----END X-----\n"), None, "empty");
    }

    proptest! {
        #[test]
        fn base64_is_that_of_the_base64_crate(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
            let text = print("X", &bytes);
            let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
            prop_assert_eq!(body, ::base64::engine::general_purpose::STANDARD.encode(&bytes));
            prop_assert_eq!(parse("X", &text), Some(bytes));
        }
    }
}
