//! Quoting for a POSIX shell, readable and safe on a terminal.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use crate::escape::escape_for_terminal;

/// `word` as one word of a shell command: bare where no byte is special, else in single quotes. Text that is unsafe on a
/// terminal, or not UTF-8, is written in dollar-single-quotes (`$'\033'`), which POSIX.1-2024 has.
///
/// A NUL byte cannot be in an argument; a shell cuts the word off there.
#[must_use]
pub(crate) fn quote(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    match word.to_str() {
        Some(text) if is_safe(text) => quote_text(text),
        _ => dollar_quote(word.as_bytes()),
    }
}

/// Whether a terminal shows text as it is, so that it can stand in a command line unescaped.
#[must_use]
pub(crate) fn is_safe(text: &str) -> bool {
    escape_for_terminal(text) == text
}

fn quote_text(text: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@+".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_bare) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn dollar_quote(word: &[u8]) -> String {
    let mut text = "$'".to_owned();
    for &byte in word {
        match byte {
            b'\'' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail. Three digits: a digit that follows is not read as a fourth.
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
    text + "'"
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell reads: each word back, as bytes.
    fn read_back(shell: &str, words: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let quoted: Vec<_> = words.iter().map(|word| quote(OsStr::from_bytes(word))).collect();
        let script = format!("printf '%s\\0' {}", quoted.join(" "));
        let output = Command::new(shell).args(["-c", &script]).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{shell}: {output:?}"
        );
        let mut read: Vec<_> = output.stdout.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
        assert_eq!(read.pop(), Some(Vec::new()));
        read
    }

    const HOSTILE: [&str; 14] = [
        "",
        "'",
        "''\\''",
        "$(reboot)",
        "`reboot`",
        "$HOME",
        "a b  c",
        "\\",
        "!!",
        "*",
        "~",
        "; exit 1 #",
        "-n",
        "日本語 🦀",
    ];

    #[test]
    fn every_shell_reads_safe_text_back() {
        let words = HOSTILE.map(|word| word.as_bytes().to_vec());
        for shell in ["sh", "bash"] {
            assert_eq!(read_back(shell, &words), words, "{shell}");
        }
    }

    #[test]
    fn what_a_terminal_must_not_get_is_read_back_too() {
        let words = ["\u{1b}[31m", "a\n\tb'\\", "\u{202e}7", "\u{7f}\r"].map(|word| word.as_bytes().to_vec());
        assert_eq!(read_back("bash", &words), words);
        assert!(words.iter().all(|word| is_safe(&quote(OsStr::from_bytes(word)))));
    }

    proptest! {
        // A shell is started for each case.
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_bytes_but_nul_are_read_back(
            words in prop::collection::vec(prop::collection::vec(1..=u8::MAX, 0..40), 1..60),
            texts in prop::collection::vec("[^\0]{0,20}", 0..60),
        ) {
            let words: Vec<_> = words.into_iter().chain(texts.into_iter().map(String::into_bytes)).collect();
            prop_assert_eq!(read_back("bash", &words), words);
        }
    }

    #[test]
    fn a_word_stays_as_readable_as_it_can() {
        let words = ["--rounds=5", "", "a b", "it's", "a b\n", "\u{1b}é'"].map(quote);
        let expected = [
            "--rounds=5",
            "''",
            "'a b'",
            r"'it'\''s'",
            r"$'a b\012'",
            r"$'\033\303\251\''",
        ];
        assert_eq!(words, expected);
    }
}
