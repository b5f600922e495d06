//! Foreign text, made fit for a page: names and tags are what anybody in the estate wrote.
//!
//! Everything stays readable and nothing acts: markup is escaped, and characters that would not be seen or would
//! reorder what is beside them are shown as what they are. Nothing is dropped.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that hide, or that turn the direction of the text around them.
fn acts(it: char) -> bool {
    it.is_control()
        || matches!(u32::from(it),
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb
            | 0xe0000..=0xe007f | 0xfffe | 0xffff)
}

/// The text with every such character spelled out, `⟨U+202E⟩`; line breaks and tabs become spaces.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for it in text.chars() {
        match it {
            '\n' | '\t' => shown.push(' '),
            _ if acts(it) => write!(shown, "\u{27e8}U+{:04X}\u{27e9}", u32::from(it)).unwrap_or_default(),
            _ => shown.push(it),
        }
    }
    Cow::Owned(shown)
}

/// The text as content of an element or of a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for it in visible(text).chars() {
        match it {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            _ => shown.push(it),
        }
    }
    shown
}

/// Width in the widths of a Latin letter: ideographs take two.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|it| if u32::from(it) >= 0x1100 { 2 } else { 1 }).sum()
}

/// The text, cut in the middle to a width: names that begin alike often differ at their ends.
pub(super) fn clipped(text: &str, most: usize) -> Cow<'_, str> {
    let text = visible(text);
    if width(&text) <= most {
        return text;
    }
    let room = most.saturating_sub(1);
    let tail = fitting(text.chars().rev(), room * 2 / 5);
    let mut cut = fitting(text.chars(), room - width(&tail));
    cut.push('\u{2026}');
    cut.extend(tail.chars().rev());
    Cow::Owned(cut)
}

/// As many characters as fit.
fn fitting(text: impl Iterator<Item = char>, most: usize) -> String {
    let mut taken = 0;
    let fits = |it: &char| {
        taken += if u32::from(*it) >= 0x1100 { 2 } else { 1 };
        taken <= most
    };
    text.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(
            escaped("</script><img src=x onerror='alert(1)'>"),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;"
        );
        assert_eq!(escaped("\"&"), "&quot;&amp;");
    }

    #[test]
    fn what_hides_or_reorders_is_spelled_out() {
        assert_eq!(visible("a\u{202e}b\u{0}c\u{200b}"), "a⟨U+202E⟩b⟨U+0000⟩c⟨U+200B⟩");
        assert_eq!(visible("Zürich 東京 \u{5d0}"), "Zürich 東京 \u{5d0}");
        assert_eq!(visible("two\nlines"), "two lines");
    }

    #[test]
    fn a_long_name_is_cut_to_its_place() {
        assert_eq!(clipped("short", 5), "short");
        assert_eq!(clipped("longer name", 7), "long…me");
        assert_eq!(clipped("東京都庁", 6), "東…庁");
        assert_eq!(clipped("any", 0), "…");
    }
}
