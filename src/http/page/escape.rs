//! Escapes what templates show: for HTML, and so that no character hides or turns what stands beside it.

use std::fmt::{self, Write};

use askama::filters::Escaper;

use crate::terminal::needs_escape;

/// The escaper of every template (askama.toml).
#[derive(Clone, Copy)]
pub(super) struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        let mut rest = string;
        while let Some(at) = rest.find(is_special) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            dest.write_str(plain)?;
            let mut chars = special.chars();
            match chars.next() {
                Some('<') => dest.write_str("&lt;")?,
                Some('>') => dest.write_str("&gt;")?,
                Some('&') => dest.write_str("&amp;")?,
                Some('"') => dest.write_str("&quot;")?,
                Some('\'') => dest.write_str("&#39;")?,
                Some(hidden) => write!(dest, "{}", hidden.escape_default())?,
                None => {}
            }
            rest = chars.as_str();
        }
        dest.write_str(rest)
    }
}

/// Lines may break: an error text has several.
fn is_special(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '"' | '\'') || (c != '\n' && needs_escape(c))
}

#[cfg(test)]
mod tests {
    use super::{Escaper as _, Visible};

    #[test]
    fn markup_and_invisible_characters_are_escaped() {
        for (text, shown) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\"onmouseover='x'&amp;", "&quot;onmouseover=&#39;x&#39;&amp;amp;"),
            ("app\u{202e}gnp.exe\0", "app\\u{202e}gnp.exe\\u{0}"),
            ("a\nb\tc\u{1b}", "a\nb\\tc\\u{1b}"),
            ("ünïcode", "ünïcode"),
        ] {
            let mut out = String::new();
            Visible.write_escaped_str(&mut out, text).unwrap();
            assert_eq!(out, shown);
        }
    }
}
