//! Writes for a terminal, which shall neither obey nor misread what a cluster's texts hold.

use std::borrow::Cow;
use std::io::{self, IsTerminal};

/// How wide a table is where nobody says how wide the terminal is.
const DEFAULT_WIDTH: usize = 80;

/// What the standard output can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: usize,
    /// Whether colours are welcome.
    pub colour: bool,
}

impl Terminal {
    /// The standard output's: its own width, else that of `COLUMNS`, else 80.
    #[must_use]
    pub fn of_stdout() -> Self {
        let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let size = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        Self {
            width: size.filter(|width| *width > 0).or_else(columns).unwrap_or(DEFAULT_WIDTH),
            colour: has_colour(&io::stdout()),
        }
    }
}

/// Whether colours are welcome there: on a terminal that knows them, unless `NO_COLOR` is set (no-color.org).
#[must_use]
pub fn has_colour(out: &impl IsTerminal) -> bool {
    let is_objected = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    out.is_terminal() && !is_dumb && !is_objected
}

/// The text with everything escaped that moves the cursor, changes colours, or turns the direction of what follows.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_treacherous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_treacherous(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Controls, line and paragraph separators, and Unicode's marks of direction (UAX #9) and of no width.
#[must_use]
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("app\u{202e}gnp.exe", "app\\u{202e}gnp.exe"),
            ("a\u{200b}b\u{2066}c\u{feff}", "a\\u{200b}b\\u{2066}c\\u{feff}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("ünïcode \\ stays", "ünïcode \\ stays"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }
}
