//! The quick yes against the reader: it may say yes only where the reader does.

use std::sync::LazyLock;

use fearless_simd::{Level, Simd};

use super::reader::read;
use super::{Lines, check, simd};

/// The levels of instructions that this processor has, the one that is used among them.
static LEVELS: LazyLock<Vec<Level>> = LazyLock::new(|| {
    let best = Level::new();
    let mut levels = vec![best, Level::baseline()];
    #[cfg(target_arch = "x86_64")]
    levels.extend(best.as_sse4_2().map(|level| level.level()));
    #[cfg(target_arch = "x86_64")]
    levels.extend(best.as_avx2().map(|level| level.level()));
    levels
});

fn assert_no_difference(text: &[u8]) {
    let (read, quick) = (read(text), simd::is_valid_fast(text));
    let shown = String::from_utf8_lossy(text);
    for level in LEVELS.iter() {
        let at_level = simd::is_valid_fast_at(*level, text);
        assert_eq!(at_level, quick, "with {level:?}: {shown}");
    }
    assert!(
        !quick || read == Ok(Lines::One),
        "the quick yes is wrong, the reader says {read:?}: {shown}"
    );
    assert_eq!(check(text), read, "{shown}");
}

/// Texts of all kinds, the same on each run.
struct Texts {
    state: u64,
}

impl Texts {
    fn below(&mut self, end: usize) -> usize {
        // A linear congruential generator: only its high bits are random.
        self.state = self.state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (self.state >> 33) as usize % end
    }

    fn one_of<'item>(&mut self, items: &[&'item [u8]]) -> &'item [u8] {
        items[self.below(items.len())]
    }

    fn put(&mut self, text: &mut Vec<u8>, items: &[&[u8]]) {
        text.extend_from_slice(self.one_of(items));
    }

    /// A payload like the contract's.
    fn payload(&mut self) -> Vec<u8> {
        let fields = self.below(6);
        let diff: Vec<String> = (0..fields)
            .map(|field| format!("\"field_{field}\": [{}, {}]", self.below(1000), self.below(1000)))
            .collect();
        let tags: Vec<&str> = (0..self.below(4)).map(|_| "\"a\"").collect();
        let ip = self.below(256);
        let note = "x".repeat(self.below(200));
        let (diff, tags) = (diff.join(", "), tags.join(", "));
        [
            format!(r#"{{"diff": {{{diff}}}, "meta": {{"ip": "10.0.0.{ip}"}}, "#),
            format!(r#""tags": [{tags}], "note": "{note}"}}"#),
        ]
        .concat()
        .into_bytes()
    }

    /// A payload of any form, mostly a good one.
    fn any(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let levels = self.below(5);
        self.value(&mut text, levels);
        text
    }

    fn value(&mut self, text: &mut Vec<u8>, levels: usize) {
        if levels == 0 || self.below(8) == 0 {
            return match self.below(4) {
                0 => self.string(text),
                1 => text.extend_from_slice(self.below(100_000).to_string().as_bytes()),
                2 => self.put(text, NUMBERS),
                _ => self.put(text, WORDS),
            };
        }
        let is_object = self.below(2) == 0;
        text.push(if is_object { b'{' } else { b'[' });
        for item in 0..self.below(5) {
            if item > 0 {
                text.push(b',');
            }
            self.space(text);
            if is_object {
                self.string(text);
                self.space(text);
                text.push(b':');
                self.space(text);
            }
            self.value(text, levels - 1);
            self.space(text);
        }
        text.push(if is_object { b'}' } else { b']' });
    }

    fn string(&mut self, text: &mut Vec<u8>) {
        text.push(b'"');
        for _ in 0..self.below(4) {
            let repeats = if self.below(8) == 0 { self.below(130) } else { 1 };
            let piece = self.one_of(PIECES);
            text.extend_from_slice(&piece.repeat(repeats));
        }
        text.push(b'"');
    }

    fn space(&mut self, text: &mut Vec<u8>) {
        match self.below(40) {
            0 => self.put(text, &[b"\n", b"\t", b" \r\n"]),
            1 => text.extend_from_slice(&b" ".repeat(self.below(130))),
            2..20 => text.push(b' '),
            _ => {}
        }
    }

    /// Makes a few small changes, after most of which the text is no payload any more.
    fn damage(&mut self, text: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(text.len() + 1);
            match self.below(6) {
                0 => text.truncate(at),
                1 if at < text.len() => {
                    text.remove(at);
                }
                2 if at < text.len() => text[at] = self.one_of(DAMAGE)[0],
                3 if at < text.len() => {
                    let copied = text[at..text.len().min(at + 20)].to_vec();
                    let to = self.below(text.len() + 1);
                    text.splice(to..to, copied);
                }
                _ => {
                    let inserted = self.one_of(DAMAGE);
                    text.splice(at..at, inserted.iter().copied());
                }
            }
        }
    }
}

const NUMBERS: &[&[u8]] = &[
    b"0",
    b"-0",
    b"00",
    b"01",
    b"0.5",
    b"0e1",
    b"-1",
    b"--1",
    b"1-2",
    b"1.",
    b"1.e",
    b"1.5E-7",
    b"1e",
    b"1e+",
    b"+1",
    b".5",
    b"1.2.3",
    b"123456789012345678901234567890",
    b"-",
    b"12a",
    b"-12.50",
    b"1e400",
];
const WORDS: &[&[u8]] = &[
    b"true",
    b"false",
    b"null",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"true",
    b"null",
    b"-NaN",
    b"tru",
    b"nulll",
    b"true1",
    b"True",
];
const PIECES: &[&[u8]] = &[
    b"a",
    b"key",
    b"x",
    b" ",
    b"{",
    b"]",
    b",:",
    b"1",
    b"\\\"",
    b"\\\\",
    b"\\n",
    b"\\u00e9",
    b"\\ud800",
    b"\\u12g4",
    b"\\x",
    b"\\",
    "é".as_bytes(),
    "🦀".as_bytes(),
    b"\xff",
    b"\x7f",
    b"\x01",
    b"plain text",
];
const DAMAGE: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b" ",
    b"0",
    b"7",
    b"-",
    b".",
    b"e",
    b"x",
    b"\n",
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xc3\xa9",
    b"[]",
    b"{}",
    b"\"\"",
    b"\\\"",
    b"\"a\":",
    b"true",
    b", ",
    b"\x02",
    b";",
    b"[[",
    b"}}",
];

/// Puts the text behind so many bytes inside an array, so that it lies anywhere in a block.
fn shifted(text: &[u8], by: usize, in_string: bool) -> Vec<u8> {
    let filler = if in_string {
        format!("\"{}\",", "x".repeat(by))
    } else {
        " ".repeat(by)
    };
    [b"[", filler.as_bytes(), text, b"]"].concat()
}

#[test]
fn damaged_payloads_of_the_contract() {
    let mut texts = Texts { state: 1 };
    for _ in 0..4_000 {
        let mut text = texts.payload();
        assert!(simd::is_valid_fast(&text), "{}", String::from_utf8_lossy(&text));
        assert_no_difference(&text);
        texts.damage(&mut text);
        assert_no_difference(&text);
    }
}

#[test]
fn payloads_of_any_form() {
    let mut texts = Texts { state: 2 };
    for _ in 0..8_000 {
        let mut text = texts.any();
        assert_no_difference(&text);
        assert_no_difference(&shifted(&text, texts.below(131), texts.below(2) == 0));
        texts.damage(&mut text);
        assert_no_difference(&text);
    }
}

#[test]
fn every_place_in_a_block() {
    let mut texts = Texts { state: 3 };
    for round in 0..40 {
        let mut text = texts.any();
        if round % 2 == 0 {
            texts.damage(&mut text);
        }
        for by in 0..=130 {
            assert_no_difference(&shifted(&text, by, round % 4 < 2));
        }
    }
}

#[test]
fn every_place_of_what_takes_care() {
    let texts = r#"
        "\"|"\\"|"\""|"\u00e9"|"\u00e"|"\n\""|\"|"é"|""""|"a|{}|[]|{ }|[}|]|[|1]|],[
        10|0|00|01|0.5|-0.5|-|1-2|1e5|1 2
        true|truee|nul|é|{"a" :1}|{"a", 1}|{"a"}|{"a":1,}|[1,]|[,1]|1,|:1|"a":1
    "#;
    for text in texts.trim().split(['|', '\n']).map(str::trim) {
        for by in 0..=130 {
            assert_no_difference(&shifted(text.as_bytes(), by, true));
            assert_no_difference(&shifted(text.as_bytes(), by, false));
        }
    }
}

#[test]
fn every_short_sequence_of_tokens() {
    const TOKENS: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"a\"",
        b"1",
        b" ",
        b"-0.5",
        b"\"\\\"\"",
    ];
    for number in 0..TOKENS.len().pow(4) {
        let token = |place: u32| TOKENS[number / TOKENS.len().pow(place) % TOKENS.len()];
        let text = [token(0), token(1), token(2), token(3)].concat();
        assert_no_difference(&shifted(&text, 0, false));
        assert_no_difference(&shifted(&text, 61, false));
        assert_no_difference(&[b"{\"a\":", text.as_slice(), b"}"].concat());
    }
}

#[test]
fn every_depth() {
    for depth in (1..130).chain(890..910) {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[0],\"b\":", "}]")] {
            let text = open.repeat(depth) + "1" + &close.repeat(depth);
            assert_no_difference(text.as_bytes());
            assert_no_difference(&text.as_bytes()[1..]);
            assert_no_difference(text.replacen(close, "]", 1).as_bytes());
            assert_no_difference(text.replacen(close, &format!("{close}{close}"), 1).as_bytes());
        }
    }
}

#[test]
fn most_payloads_are_not_left_to_the_reader() {
    for text in [
        "{\"a\":-1.5e3,\"b\":[true,null,{}],\"c\":[]}",
        "[\"\\u00e9 \\\\\", \"é\", \"\\\"\", 0, 0.25]",
        "[[[[[[]]]], {\"a\": {\"b\": {\"c\": [{}]}}}], 12345678901234567890]",
    ] {
        assert!(simd::is_valid_fast(text.as_bytes()), "{text}");
        for by in 0..=130 {
            let text = shifted(text.as_bytes(), by, by % 3 == 0);
            assert!(simd::is_valid_fast(&text), "{}", String::from_utf8_lossy(&text));
        }
    }
}
