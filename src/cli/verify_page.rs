//! `evidenced verify-page`: the verifier that runs in a browser, as one file.
//!
//! Puts the parts of `src/page/` together. The page may run exactly the script and the style that are in it: their
//! digests are in its content security policy, and it may load nothing. One program prints one page, byte for byte.

use evidenced_core::report::source_hash;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_page_is_filled_and_nothing_closes_an_element_early() {
        let page = page();
        for place in ["@STYLE@", "@SCRIPT@", "@CSS@", "@JS@"] {
            assert!(!page.contains(place), "{place}");
        }
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("<!--") && !STYLE.contains("</style"));
    }
}
