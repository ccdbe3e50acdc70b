//! Terminal output: width, color, and escaping of control characters in untrusted text.

use std::borrow::Cow;
use std::io::{self, IsTerminal};

/// Width if the terminal's is not known.
const DEFAULT_WIDTH: usize = 80;

/// Capabilities of the standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Width in columns.
    pub width: usize,
    /// Whether to use color.
    pub color: bool,
}

impl Terminal {
    /// Detects the capabilities of the standard output. The width is that of the terminal, else `COLUMNS`, else 80.
    #[must_use]
    pub fn of_stdout() -> Self {
        let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let size = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        Self {
            width: size.filter(|width| *width > 0).or_else(columns).unwrap_or(DEFAULT_WIDTH),
            color: supports_color(&io::stdout()),
        }
    }
}

/// Whether `out` is a terminal that supports color and `NO_COLOR` is not set (no-color.org).
#[must_use]
fn supports_color(out: &impl IsTerminal) -> bool {
    let is_objected = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    out.is_terminal() && !is_dumb && !is_objected
}

/// Escapes characters that move the cursor, change colors, or change the direction of text.
#[must_use]
pub(crate) fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(needs_escape) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if needs_escape(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a character is a control character, a line or paragraph separator, or a Unicode mark of direction (UAX #9)
/// or of zero width.
#[must_use]
pub(crate) fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::escape_controls;

    #[test]
    fn escapes_control_and_direction_characters() {
        for (text, shown) in [
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("app\u{202e}gnp.exe", "app\\u{202e}gnp.exe"),
            ("a\u{200b}b\u{2066}c\u{feff}", "a\\u{200b}b\\u{2066}c\\u{feff}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("ünïcode \\ stays", "ünïcode \\ stays"),
        ] {
            assert_eq!(escape_controls(text), shown);
        }
    }
}
