//! What a decodable payload is: the one decoder of both engines.
//!
//! A payload is what the live service's `json.loads` takes: one JSON value (RFC 8259) in UTF-8, and beyond the
//! RFC the words `NaN`, `Infinity` and `-Infinity`; any escape `\uXXXX`, half a surrogate pair included; a
//! number of any size. Nesting ends at [`MAX_DEPTH`], a little below where Python gives up. No library draws
//! the line there, and the ones that were measured take longer to check a payload than the disk cache takes to
//! deliver it.
//!
//! [`reader`] defines all of that and says what is wrong. It is not quick enough either, so most payloads never get
//! to it: [`simd`] recognises ordinary valid ones 64 bytes at a time.

#[cfg(test)]
mod differential;
#[cfg(any(test, feature = "fuzzing"))]
#[path = "../../../../fuzz/in_crate/payload.rs"]
pub(crate) mod fuzzing;
mod reader;
mod simd;

/// The deepest nesting of arrays and objects. Python 3.8 to 3.11 give up near 990, depending on the caller.
pub(crate) const MAX_DEPTH: usize = 900;

/// Whether a payload is one line, as the contract's are. White space between tokens may hold line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    One,
    Several,
}

/// Checks that `text` is one decodable payload, white space around it allowed.
///
/// # Errors
/// What is wrong, for the end of an error line.
pub(crate) fn check(text: &[u8]) -> Result<Lines, &'static str> {
    if simd::is_valid_fast(text) {
        Ok(Lines::One)
    } else {
        reader::read(text)
    }
}

/// Makes a checked payload one line: white space around it goes, a line break between tokens becomes a space.
/// The text now is the first so many bytes.
pub(crate) fn join_lines(text: &mut [u8]) -> usize {
    let is_token = |byte: &u8| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    let start = text.iter().position(is_token).unwrap_or(0);
    let end = text.iter().rposition(is_token).map_or(0, |last| last + 1);
    text.copy_within(start..end, 0);
    for byte in &mut text[..end - start] {
        // A string holds no raw line break: this one stands between tokens.
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    end - start
}

#[cfg(test)]
mod tests {
    use super::{Lines, MAX_DEPTH, check, join_lines};

    #[test]
    fn takes_what_the_live_service_takes() {
        for text in [
            "{}",
            "[]",
            "0",
            "-0",
            "-0.5e+10",
            "1E5",
            "\"\"",
            "true",
            " null\n",
            "NaN",
            "[-Infinity, Infinity]",
            "{\"a\": [1, {\"b\": \"\\ud800\"}], \"a\": 1e400}",
            "\"\u{7f}é🦀\"",
            "[\r\n1 ,\t2 ]",
            "123456789012345678901234567890",
            "\"0123456789012345678901234567890123456789 \\n 0123456789\"",
        ] {
            assert!(check(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            // What is between the first bracket and the last is in order by itself.
            "[1],[2]",
            "[1],[2],[3]",
            "[[1],[2]],[[3],[4]]",
            r#"{"a": 1}, {"b": 2}"#,
            "",
            " ",
            "{",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "\"",
            "\"\\",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\x\"",
            "\"a\nb\"",
            "\"\0\"",
            "tru",
            "nul",
            "Inf",
            "1 2",
            "{} {}",
            "]",
            "[}",
            "{]",
            "\u{feff}1",
            "'a'",
            "[1 2]",
            "{\"a\" 1}",
            "-NaN",
            "/**/1",
        ] {
            assert!(check(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(check(b"\"\xff\""), Err("is not UTF-8"));
    }

    #[test]
    fn a_payload_of_several_lines_becomes_one() {
        let mut text = *b" \n{\"a\":\r\n [1,\n2]} \n";
        assert_eq!(check(&text), Ok(Lines::Several));
        let len = join_lines(&mut text);
        assert_eq!(&text[..len], b"{\"a\":   [1, 2]}");
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(
            check(nested(MAX_DEPTH + 1).as_bytes()),
            Ok(Lines::One),
            "the innermost is empty, so not opened"
        );
        assert!(check(nested(MAX_DEPTH + 2).as_bytes()).is_err());
        assert!(check("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_string_may_end_or_fail_at_any_length() {
        for length in 0..100 {
            let inside = "x".repeat(length);
            assert_eq!(check(format!("\"{inside}\"").as_bytes()), Ok(Lines::One));
            assert_eq!(check(format!("[\"{inside}\\n\", {length}]").as_bytes()), Ok(Lines::One));
            assert!(check(format!("\"{inside}\u{1}{inside}\"").as_bytes()).is_err());
            assert!(check(format!("\"{inside}").as_bytes()).is_err());
        }
    }
}
