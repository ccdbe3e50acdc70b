//! Escapes template values: for HTML, and against invisible characters and text direction overrides.

use std::fmt::{self, Write};

use askama::filters::Escaper;

use crate::terminal::needs_escape;

/// The escaper of all templates, configured in `askama.toml`.
#[derive(Clone, Copy)]
pub(super) struct VisibleText;

impl Escaper for VisibleText {
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

/// Line breaks are allowed, because error texts have several lines.
fn is_special(c: char) -> bool {
    matches!(c, '<' | '>' | '&' | '"' | '\'') || (c != '\n' && needs_escape(c))
}

#[cfg(test)]
mod tests;
