//! A payload read from token to token: what is valid, and what is wrong with what is not, is defined here.

use super::{Lines, MAX_DEPTH};

/// Checks that `text` is one decodable payload, white space around it allowed.
///
/// # Errors
/// What is wrong, for the end of an error line.
pub(super) fn read(text: &[u8]) -> Result<Lines, &'static str> {
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

pub(super) struct Reader<'text> {
    text: &'text [u8],
    pub(super) at: usize,
    lines: Lines,
}

impl<'text> Reader<'text> {
    #[inline(always)]
    pub(super) fn new(text: &'text [u8], at: usize) -> Self {
        Reader {
            text,
            at,
            lines: Lines::One,
        }
    }

    /// The byte at hand; 0, which no JSON text holds, at the end.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
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
    pub(super) fn escape(&mut self) -> Result<(), &'static str> {
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
    pub(super) fn number(&mut self) -> Result<(), &'static str> {
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
    pub(super) fn word(&mut self) -> Result<(), &'static str> {
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
    use super::*;

    #[test]
    fn numbers_of_every_form() {
        for text in [
            "0",
            "-0",
            "7",
            "-12345678901234567890",
            "0.5",
            "1e5",
            "1E+5",
            "1e-5",
            "-1.25e-07",
            "0e00",
            "NaN",
            "-Infinity",
        ] {
            assert_eq!(read(text.as_bytes()), Ok(Lines::One), "{text}");
            assert_eq!(read(format!("[{text}, {text}]").as_bytes()), Ok(Lines::One), "[{text}]");
        }
        for (text, problem) in [
            ("-", TRUNCATED),
            ("1.", TRUNCATED),
            ("1e", TRUNCATED),
            ("1e+", TRUNCATED),
            ("1e-", TRUNCATED),
            ("-x", NOT_JSON),
            ("1.x", NOT_JSON),
            ("1e+-5", NOT_JSON),
            ("1e--5", NOT_JSON),
            ("+1", NOT_JSON),
            (".5", NOT_JSON),
            ("-NaN", NOT_JSON),
        ] {
            assert_eq!(read(text.as_bytes()), Err(problem), "{text}");
        }
    }

    /// Around the steps of 8 and 32 bytes in which a string is looked through.
    #[test]
    fn what_ends_a_string_is_told_apart_at_any_length() {
        const CONTROL: &str = "is not JSON: a raw control character stands in a string";
        for length in 0..80 {
            let inside = "x".repeat(length);
            for behind in ["", "y", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"] {
                let read = |text: String| read(text.as_bytes());
                assert_eq!(read(format!("\"{inside}{behind}\"")), Ok(Lines::One), "{length}");
                assert_eq!(read(format!("\"{inside}\\\"{behind}\"")), Ok(Lines::One), "{length}");
                assert_eq!(read(format!("\"{inside}{behind}")), Err(TRUNCATED), "{length}");
                assert_eq!(read(format!("\"{inside}\u{1f}{behind}\"")), Err(CONTROL), "{length}");
                assert!(read(format!("\"{inside}\"{behind}\"")).is_err(), "{length}");
                // A whole step of nothing but them.
                let [controls, quotes] = ["\u{1f}", "\""].map(|end| end.repeat(32));
                assert_eq!(
                    read(format!("\"{inside}{controls}{behind}\"")),
                    Err(CONTROL),
                    "{length}"
                );
                assert!(read(format!("\"{inside}{quotes}{behind}\"")).is_err(), "{length}");
            }
        }
    }
}
