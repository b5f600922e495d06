//! PEM around short DER: the two kinds of key file that this crate knows.
//!
//! Writes what OpenSSL writes. Reads one block with nothing around it but blank lines, and only canonical base64. It
//! stands here instead of a crate because the DER inside is fixed bytes: five crates for two constants.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The PEM of `der`, at most 48 bytes of which go on a line.
pub(crate) fn print(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let mut bits = 0_u32;
            for position in 0..3 {
                bits = bits << 8 | u32::from(group.get(position).copied().unwrap_or(0));
            }
            for position in 0..4 {
                let digit = usize::try_from(bits >> (18 - 6 * position) & 63).unwrap_or_default();
                let symbol = if position <= group.len() { ALPHABET.get(digit).copied() } else { None };
                text.push(char::from(symbol.unwrap_or(b'=')));
            }
        }
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
    decode(&digits)
}

fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(4) {
        return None;
    }
    let padding = digits.iter().rev().take_while(|digit| **digit == b'=').count();
    if padding > 2 {
        return None;
    }
    let symbols = digits.get(..digits.len() - padding)?;
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for symbol in symbols {
        let value = ALPHABET.iter().position(|letter| letter == symbol)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    // Bits that no byte uses must be zero, or one key would have several spellings.
    (bits & ((1 << held) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
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
            prop_assert_eq!(body, base64::engine::general_purpose::STANDARD.encode(&bytes));
            prop_assert_eq!(parse("X", &text), Some(bytes));
        }
    }
}
