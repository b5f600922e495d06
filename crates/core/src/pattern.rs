//! The one form of pattern in a configuration.

/// `*`, an exact text, or a prefix that ends in `*`.
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_is_everything_a_prefix_or_the_text_itself() {
        assert!(matches("*", "vpc.vpcs") && matches("vpc.*", "vpc.vpcs") && matches("vpc.vpcs", "vpc.vpcs"));
        assert!(!matches("vpc", "vpc.vpcs") && !matches("*.vpcs", "vpc.vpcs") && !matches("", "vpc.vpcs"));
    }
}
