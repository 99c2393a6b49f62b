//! Escaping of untrusted text for a terminal.

/// `text` with control characters, and format characters that reorder or hide text, written as `\u{…}`.
#[must_use]
pub fn escape_for_terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe_for_terminal(character) {
            shown.extend(character.escape_unicode())
        } else {
            shown.push(character)
        }
    }
    shown
}

/// Whether a character is a control or an invisible format character (Unicode categories Cc and Cf, the line
/// and paragraph separators, variation selectors and tags), by the code charts.
fn is_unsafe_for_terminal(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}'
        | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::escape_for_terminal;

    #[test]
    fn plain_text_of_any_script_is_left_alone() {
        assert_eq!(
            escape_for_terminal("LOGIN Ünïcode 日本語 🦀"),
            "LOGIN Ünïcode 日本語 🦀"
        );
    }

    #[test]
    fn controls_and_invisible_characters_are_escaped() {
        assert_eq!(escape_for_terminal("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(
            escape_for_terminal("\u{202e}\u{200b}\u{9b}\n"),
            "\\u{202e}\\u{200b}\\u{9b}\\u{a}"
        );
    }
}
