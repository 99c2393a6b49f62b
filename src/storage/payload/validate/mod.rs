//! What a decodable payload is: the one decoder of both engines.
//!
//! A payload is what the live service's `json.loads` takes: one JSON value (RFC 8259) in UTF-8, and beyond the
//! RFC the words `NaN`, `Infinity` and `-Infinity`; any escape `\uXXXX`, half a surrogate pair included; a
//! number of any size. Nesting ends at [`MAX_DEPTH`], a little below where Python gives up. No library draws
//! the line there, and the ones that were measured take longer to check a payload than the disk cache takes to
//! deliver it.
//!
//! The reader in this file defines all of that and says what is wrong. It is not quick enough either, so most
//! payloads never get to it: [`blocks`] tells the ordinary good ones by looking at 64 bytes at once.

#[cfg(test)]
mod differential;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
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
        read(text)
    }
}

/// The same by reading from token to token: what a payload is and what is wrong with it is defined here.
fn read(text: &[u8]) -> Result<Lines, &'static str> {
    if std::str::from_utf8(text).is_err() {
        return Err("is not UTF-8");
    }
    let mut reader = Reader::new(text, 0);
    reader.skip_space();
    if reader.at == text.len() {
        return Err("is empty");
    }
    reader.value()?;
    reader.skip_space();
    if reader.at == text.len() {
        Ok(reader.lines)
    } else {
        Err("is not one JSON value: more follows it")
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

const NOT_JSON: &str = "is not JSON";
const TRUNCATED: &str = "is not JSON: it ends in the middle";

/// The kinds of the open containers, a bit each: 1 for an object.
struct Containers {
    bits: [u64; MAX_DEPTH / 64 + 1],
    depth: usize,
}

impl Containers {
    fn open(&mut self, is_object: bool) -> Result<(), &'static str> {
        if self.depth == MAX_DEPTH {
            return Err("is nested too deeply: 900 levels are the most that is decoded");
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.bits[word] = self.bits[word] & !(1 << bit) | u64::from(is_object) << bit;
        self.depth += 1;
        Ok(())
    }

    fn innermost_is_object(&self) -> bool {
        let level = self.depth - 1;
        self.bits[level / 64] >> (level % 64) & 1 == 1
    }
}

struct Reader<'text> {
    text: &'text [u8],
    at: usize,
    lines: Lines,
}

impl<'text> Reader<'text> {
    #[inline(always)]
    fn new(text: &'text [u8], at: usize) -> Self {
        Reader {
            text,
            at,
            lines: Lines::One,
        }
    }

    /// The byte at hand; 0, which no JSON text holds, at the end.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    #[inline(always)]
    fn skip_space(&mut self) {
        while self.peek() <= b' ' {
            match self.peek() {
                b' ' | b'\t' => {}
                b'\n' | b'\r' => self.lines = Lines::Several,
                _ => return,
            }
            self.at += 1;
        }
    }

    /// One value, without recursion: a payload's depth costs no stack.
    fn value(&mut self) -> Result<(), &'static str> {
        let mut open = Containers {
            bits: [0; MAX_DEPTH / 64 + 1],
            depth: 0,
        };
        loop {
            match self.peek() {
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b'{' => {
                    self.at += 1;
                    self.skip_space();
                    if !self.take(b'}') {
                        open.open(true)?;
                        self.name()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.skip_space();
                    if !self.take(b']') {
                        open.open(false)?;
                        continue;
                    }
                }
                _ => self.word()?,
            }
            if !self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// What may stand behind a value: the ends of containers, then a comma. Whether another value follows.
    #[inline(always)]
    fn close(&mut self, open: &mut Containers) -> Result<bool, &'static str> {
        while open.depth > 0 {
            self.skip_space();
            let in_object = open.innermost_is_object();
            if self.take(b',') {
                self.skip_space();
                if in_object {
                    self.name()?;
                }
                return Ok(true);
            }
            if !self.take(if in_object { b'}' } else { b']' }) {
                return Err(self.unexpected());
            }
            open.depth -= 1;
        }
        Ok(false)
    }

    /// A member's name and its colon.
    #[inline(always)]
    fn name(&mut self) -> Result<(), &'static str> {
        if self.peek() != b'"' {
            return Err(self.unexpected());
        }
        self.string()?;
        self.skip_space();
        if !self.take(b':') {
            return Err(self.unexpected());
        }
        self.skip_space();
        Ok(())
    }

    #[inline(always)]
    fn string(&mut self) -> Result<(), &'static str> {
        self.at += 1;
        loop {
            self.at += plain_run(&self.text[self.at..]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                _ if self.at >= self.text.len() => return Err(TRUNCATED),
                _ => return Err("is not JSON: a raw control character stands in a string"),
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Result<(), &'static str> {
        let digits = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err("is not JSON: an escape is not one"),
        };
        let end = self.at + 2 + digits;
        let Some(hex) = self.text.get(self.at + 2..end) else {
            return Err(TRUNCATED);
        };
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err("is not JSON: an escape is not one");
        }
        self.at = end;
        Ok(())
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), &'static str> {
        if self.take(b'-') && self.peek() == b'I' {
            return self.word();
        }
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if self.peek() | 0x20 == b'e' {
            self.at += 1;
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    #[inline(always)]
    fn digits(&mut self) -> Result<(), &'static str> {
        let run = digit_run(&self.text[self.at..]);
        self.at += run;
        if run > 0 { Ok(()) } else { Err(self.unexpected()) }
    }

    #[cold]
    fn word(&mut self) -> Result<(), &'static str> {
        const WORDS: [&[u8]; 5] = [b"true", b"false", b"null", b"NaN", b"Infinity"];
        let rest = &self.text[self.at..];
        match WORDS.iter().find(|word| rest.starts_with(word)) {
            Some(word) => {
                self.at += word.len();
                Ok(())
            }
            None => Err(self.unexpected()),
        }
    }

    #[cold]
    fn unexpected(&self) -> &'static str {
        if self.at >= self.text.len() {
            TRUNCATED
        } else {
            NOT_JSON
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte of `word` that equals `byte`. Bytes above the first found one may be wrong, which
/// is no matter where only the first counts (the classic "has zero byte" of the Bit Twiddling Hacks).
#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    let zero_where_equal = word ^ (ONES * byte as u64);
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGH_BITS
}

/// How many bytes of a string's inside follow before a quote, a backslash or a control character.
#[inline(always)]
fn plain_run(text: &[u8]) -> usize {
    let mut run = 0;
    while let Some(bytes) = text.get(run..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*bytes);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH_BITS;
        let ends = control | equal(word, b'"') | equal(word, b'\\');
        if ends != 0 {
            return run + ends.trailing_zeros() as usize / 8;
        }
        run += 8;
        run += long_plain_run(&text[run..]);
    }
    run + text[run..]
        .iter()
        .take_while(|byte| !matches!(byte, b'"' | b'\\' | ..0x20))
        .count()
}

/// The same in whole steps of 32 bytes, in a form that compilers turn into vector instructions.
#[inline(always)]
fn long_plain_run(text: &[u8]) -> usize {
    let is_plain = |chunk: &&[u8; 32]| {
        chunk.iter().fold(true, |plain, &byte| {
            plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
        })
    };
    text.as_chunks::<32>().0.iter().take_while(is_plain).count() * 32
}

/// How many digits follow. Eight at a time, because the branch of a byte at a time is guessed wrong too often.
#[inline(always)]
fn digit_run(text: &[u8]) -> usize {
    let mut run = 0;
    while let Some(bytes) = text.get(run..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*bytes) ^ (ONES * u64::from(b'0'));
        let others = ((word & !HIGH_BITS).wrapping_add(ONES * 0x76) | word) & HIGH_BITS;
        if others != 0 {
            return run + others.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    run + text[run..].iter().take_while(|byte| byte.is_ascii_digit()).count()
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
