//! `evidenced verify-page`: the verifier that runs in a browser, as one file.
//!
//! Puts the parts of `src/page/` together. The page may run exactly the script and the style that are in it: their
//! digests are in its content security policy, and it may load nothing. One program prints one page, byte for byte.

use evidenced_bundle::Digest;

use super::exit::Failed;
use super::print;

const PAGE: &str = include_str!("../page/page.html");
const STYLE: &str = include_str!("../page/style.css");
/// In the order in which they need each other.
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("../page/bytes.js"),
    include_str!("../page/json.js"),
    include_str!("../page/keys.js"),
    include_str!("../page/deflate.js"),
    include_str!("../page/zip.js"),
    include_str!("../page/bag.js"),
    include_str!("../page/run.js"),
    include_str!("../page/sidecars.js"),
    include_str!("../page/trust.js"),
    include_str!("../page/slots.js"),
    include_str!("../page/verify.js"),
    include_str!("../page/period.js"),
    include_str!("../page/screen.js"),
    include_str!("../page/quarter.js"),
);
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn run() -> Result<u8, Failed> {
    print(page().as_bytes())
}

/// The whole page. The script comes last, so that nothing in it is taken for a place to fill.
pub(super) fn page() -> String {
    PAGE.replacen("@STYLE@", &source_hash(STYLE), 1)
        .replacen("@SCRIPT@", &source_hash(SCRIPT), 1)
        .replacen("@CSS@", STYLE, 1)
        .replacen("@JS@", SCRIPT, 1)
}

/// What a content security policy calls `'sha256-…'`: the digest in base64.
fn source_hash(source: &str) -> String {
    let digest = Digest::of(source.as_bytes());
    let mut text = String::new();
    for group in digest.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for position in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * position) & 63).unwrap_or_default();
            let symbol = ALPHABET.get(digit).copied().filter(|_| position <= group.len());
            text.push(char::from(symbol.unwrap_or(b'=')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_source_is_spelled_as_browsers_do() {
        assert_eq!(source_hash(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn every_place_of_the_page_is_filled_and_nothing_closes_an_element_early() {
        let page = page();
        for place in ["@STYLE@", "@SCRIPT@", "@CSS@", "@JS@"] {
            assert!(!page.contains(place), "{place}");
        }
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("<!--") && !STYLE.contains("</style"));
    }
}
