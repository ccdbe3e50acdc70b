//! Splits a script into lines of words and options.

use std::collections::VecDeque;

use super::{Invalid, Problem};

/// The words of one action, taken from the front; remembers on which line the last one stood.
pub(super) struct Words {
    words: VecDeque<Word>,
    line: usize,
}

struct Word {
    line: usize,
    text: String,
    /// Set for `key=value` with the key unquoted.
    value: Option<String>,
}

/// Options that were written and are not yet used.
pub(super) struct Options(Vec<(String, String)>);

/// Joins continued lines and drops comments and empty lines.
pub(super) fn lines(text: &str) -> Result<Vec<Words>, Invalid> {
    let mut actions: Vec<Words> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let words = split(line, number).map_err(|problem| Invalid { line: number, problem })?;
        if words.is_empty() {
            continue;
        }
        if !line.starts_with(char::is_whitespace) {
            actions.push(Words { words: words.into(), line: number });
            continue;
        }
        match actions.last_mut() {
            Some(above) => above.words.extend(words),
            None => return Err(Invalid { line: number, problem: Problem::NothingToContinue }),
        }
    }
    Ok(actions)
}

fn split(line: &str, number: usize) -> Result<Vec<Word>, Problem> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = Word { line: number, text: String::new(), value: None };
        let mut quoted = false;
        while let Some(c) = chars.next_if(|c| quoted || !c.is_whitespace()) {
            let c = match c {
                '"' => {
                    quoted = !quoted;
                    continue;
                }
                '=' if !quoted && word.value.is_none() => {
                    word.value = Some(String::new());
                    continue;
                }
                '\\' if quoted => chars.next().unwrap_or(c),
                _ => c,
            };
            word.value.as_mut().unwrap_or(&mut word.text).push(c);
        }
        if quoted {
            return Err(Problem::OpenQuote);
        }
        words.push(word);
    }
}

impl Words {
    /// Returns the line of the word taken last.
    pub(super) fn number(&self) -> usize {
        self.line
    }

    /// Takes a word that must be there and is no option.
    pub(super) fn next(&mut self, what: &'static str) -> Result<String, Problem> {
        match self.words.front() {
            Some(word) if word.value.is_none() => self.next_if_any().ok_or(Problem::Missing(what)),
            Some(_) | None => Err(Problem::Missing(what)),
        }
    }

    /// Takes the next word, if there is one.
    pub(super) fn next_if_any(&mut self) -> Option<String> {
        let word = self.words.pop_front()?;
        self.line = word.line;
        Some(match word.value {
            Some(value) => format!("{}={value}", word.text),
            None => word.text,
        })
    }

    /// Takes the options up to the next plain word.
    pub(super) fn options(&mut self, known: &[&str]) -> Result<Options, Problem> {
        let mut options = Vec::new();
        while let Some(word) = self.words.pop_front_if(|word| word.value.is_some()) {
            self.line = word.line;
            if !known.contains(&word.text.as_str()) {
                return Err(Problem::Option { option: word.text, known: known.join(", ") });
            }
            options.push((word.text, word.value.unwrap_or_default()));
        }
        Ok(Options(options))
    }

    /// Checks that nothing is left.
    pub(super) fn end(&mut self) -> Result<(), Problem> {
        self.next_if_any().map_or(Ok(()), |word| Err(Problem::Unexpected(word)))
    }
}

impl Options {
    /// Takes an option's value.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Takes the value of an option that must be there; `form` is how to write it.
    pub(super) fn need(&mut self, name: &str, form: &'static str) -> Result<String, Problem> {
        self.take(name).ok_or(Problem::Missing(form))
    }

    /// Checks that every option was used: `text=` without `pull=fails` is a mistake.
    pub(super) fn end(self) -> Result<(), Problem> {
        self.0.into_iter().next().map_or(Ok(()), |(key, value)| Err(Problem::Unexpected(format!("{key}={value}"))))
    }
}
