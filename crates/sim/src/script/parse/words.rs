//! Splits a script into lines of words and options.

use std::collections::VecDeque;

use super::super::error::{ScriptError, ScriptProblem};

/// The words of one action, consumed from the front, with the line of the last one.
pub(super) struct Tokens {
    words: VecDeque<Token>,
    line: usize,
}

struct Token {
    line: usize,
    text: String,
    /// Set for `key=value` with the key unquoted.
    value: Option<String>,
}

/// Options that were written and are not yet used.
pub(super) struct Options(Vec<(String, String)>);

/// Joins continued lines and drops comments and empty lines.
pub(super) fn lines(text: &str) -> Result<Vec<Tokens>, ScriptError> {
    let mut actions: Vec<Tokens> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let words = split(line, number).map_err(|problem| ScriptError { line: number, problem })?;
        if words.is_empty() {
            continue;
        }
        if !line.starts_with(char::is_whitespace) {
            actions.push(Tokens { words: words.into(), line: number });
            continue;
        }
        match actions.last_mut() {
            Some(above) => above.words.extend(words),
            None => return Err(ScriptError { line: number, problem: ScriptProblem::NothingToContinue }),
        }
    }
    Ok(actions)
}

fn split(line: &str, number: usize) -> Result<Vec<Token>, ScriptProblem> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = Token { line: number, text: String::new(), value: None };
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
            return Err(ScriptProblem::UnclosedQuote);
        }
        words.push(word);
    }
}

impl Tokens {
    /// Returns the line of the word taken last.
    pub(super) fn number(&self) -> usize {
        self.line
    }

    /// Consumes a required word that is not an option.
    pub(super) fn next(&mut self, what: &'static str) -> Result<String, ScriptProblem> {
        match self.words.front() {
            Some(word) if word.value.is_none() => self.next_if_any().ok_or(ScriptProblem::Missing(what)),
            Some(_) | None => Err(ScriptProblem::Missing(what)),
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
    pub(super) fn options(&mut self, known: &[&str]) -> Result<Options, ScriptProblem> {
        let mut options = Vec::new();
        while let Some(word) = self.words.pop_front_if(|word| word.value.is_some()) {
            self.line = word.line;
            if !known.contains(&word.text.as_str()) {
                return Err(ScriptProblem::UnknownOption { option: word.text, known: known.join(", ") });
            }
            options.push((word.text, word.value.unwrap_or_default()));
        }
        Ok(Options(options))
    }

    /// Checks that nothing is left.
    pub(super) fn end(&mut self) -> Result<(), ScriptProblem> {
        self.next_if_any().map_or(Ok(()), |word| Err(ScriptProblem::Unexpected(word)))
    }
}

impl Options {
    /// Takes an option's value.
    pub(super) fn take_value(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Takes the value of an option that must be there; `form` is how to write it.
    pub(super) fn required(&mut self, name: &str, form: &'static str) -> Result<String, ScriptProblem> {
        self.take_value(name).ok_or(ScriptProblem::Missing(form))
    }

    /// Checks that every option was used: `text=` without `pull=fails` is an error.
    pub(super) fn end(self) -> Result<(), ScriptProblem> {
        self.0
            .into_iter()
            .next()
            .map_or(Ok(()), |(key, value)| Err(ScriptProblem::Unexpected(format!("{key}={value}"))))
    }
}
