//! Text of a response -> the JSON scalar that the shape table asks for.
//!
//! Numbers keep their digits whatever their size. What cannot be read as its type is an oddity for the caller, who
//! keeps the text.

use serde_json::{Number, Value};

use crate::shape::Type;
use crate::wire::time;

/// The value of `text` as a `kind`; the error says what it is not.
pub(super) fn read(kind: Type, text: &str) -> Result<Value, &'static str> {
    match kind {
        Type::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("not a boolean"),
        },
        Type::Integer => integer(text.trim()).map(Value::Number).ok_or("not an integer"),
        Type::Float => float(text.trim()).map(Value::Number).ok_or("not a number"),
        Type::Timestamp => time::from_text(text).map(Value::String).ok_or("not a timestamp"),
        Type::String | Type::Blob | Type::Document | Type::Shape(_) => Ok(Value::String(text.to_owned())),
    }
}

/// JSON knows no `+` and no leading zeros; Python's `int`, the CLI's reader, takes both.
fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.trim_start_matches('0') {
        "" => Some(Number::from(0)),
        digits => format!("{sign}{digits}").parse().ok(),
    }
}

fn float(text: &str) -> Option<Number> {
    if let Ok(number) = text.parse::<Number>() {
        return Some(number);
    }
    // `.5`, `1.` and `+3` are numbers to Python but not to JSON; NaN and infinities are none to JSON.
    if text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer_text(text: &str) -> String {
        read(Type::Integer, text).unwrap().to_string()
    }

    #[test]
    fn integers_beyond_every_machine_type_keep_their_digits() {
        for digits in ["9007199254740993", "18446744073709551615", "-123456789012345678901234567890"] {
            assert_eq!(integer_text(digits), digits);
        }
    }

    #[test]
    fn signs_and_leading_zeros_are_read_as_python_reads_them() {
        assert_eq!(integer_text(" +007\n"), "7");
        assert_eq!(integer_text("-0"), "0");
        assert_eq!(integer_text("-010"), "-10");
        for text in ["", "-", "1.0", "1e3", "1_000", "0x1f", "- 1"] {
            assert_eq!(read(Type::Integer, text), Err("not an integer"), "{text:?}");
        }
    }

    #[test]
    fn floats_keep_their_text_where_json_allows_it() {
        assert_eq!(read(Type::Float, "1.50").unwrap().to_string(), "1.50");
        assert_eq!(read(Type::Float, ".5").unwrap().to_string(), "0.5");
        assert_eq!(read(Type::Float, "1.").unwrap().to_string(), "1.0");
        for text in ["", "NaN", "inf", "-Infinity", "one", "+1e999"] {
            assert_eq!(read(Type::Float, text), Err("not a number"), "{text:?}");
        }
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        assert_eq!(read(Type::Boolean, "true"), Ok(Value::Bool(true)));
        assert_eq!(read(Type::Boolean, "false"), Ok(Value::Bool(false)));
        for text in ["", "True", "1", " true"] {
            assert_eq!(read(Type::Boolean, text), Err("not a boolean"), "{text:?}");
        }
    }
}
