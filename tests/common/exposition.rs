//! A strict parser of the text format 0.0.4: panics on text that a scraper might reject or misinterpret.

#![allow(dead_code, reason = "each test that parses an exposition uses a part of this")]

use std::collections::HashSet;

/// One sample line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// A parsed scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    pub samples: Vec<Sample>,
    /// Name, help and type of each family, in order.
    pub families: Vec<(String, String, String)>,
}

impl Sample {
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }
}

impl Exposition {
    /// Parses a whole exposition. Panics on the first violation of the format.
    pub fn parse(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
        let mut exposition = Self::default();
        let mut seen = HashSet::new();
        for line in text.split_terminator('\n') {
            if let Some(header) = line.strip_prefix("# ") {
                exposition.header(header);
                continue;
            }
            let sample = sample(line).unwrap_or_else(|problem| panic!("{problem} in the line {line:?}"));
            let (family, _, kind) = exposition.families.last().unwrap_or_else(|| panic!("no family before {line:?}"));
            let suffix =
                sample.name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line:?} stands under {family}"));
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{line:?} stands under {family} of type {kind}");
            let mut labels = sample.labels.clone();
            labels.sort();
            assert!(labels.windows(2).all(|pair| pair[0].0 != pair[1].0), "a label twice in {line:?}");
            assert!(seen.insert((sample.name.clone(), labels)), "a series twice: {line:?}");
            exposition.samples.push(sample);
        }
        exposition
    }

    fn header(&mut self, header: &str) {
        let mut words = header.splitn(3, ' ');
        let [kind, name, rest] = [words.next(), words.next(), words.next()].map(Option::unwrap_or_default);
        assert!(is_name(name), "no name: {name:?}");
        match kind {
            "HELP" => {
                assert!(self.families.iter().all(|(known, _, _)| known != name), "the family {name} twice");
                self.families.push((name.to_owned(), rest.to_owned(), String::new()));
            }
            "TYPE" => {
                let family = self.families.last_mut().filter(|(known, _, _)| known == name);
                let (_, _, family_kind) = family.unwrap_or_else(|| panic!("TYPE of {name} without its HELP"));
                assert!(["gauge", "counter", "histogram"].contains(&rest), "the type {rest:?}");
                rest.clone_into(family_kind);
            }
            other => panic!("a comment {other:?}"),
        }
    }

    /// The samples with this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of the samples with this name and these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| labels.iter().all(|(label, value)| sample.label(label) == *value);
        self.all(name).filter(fits).map(|sample| sample.value).sum()
    }
}

fn is_name(text: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_start) && text.chars().all(|c| is_start(c) || c.is_ascii_digit())
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    if !is_name(name) {
        return Err(format!("no name: {name:?}"));
    }
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = value.strip_prefix(' ').ok_or("no blank before the value")?;
    if value.contains(|c: char| c.is_whitespace()) {
        return Err("more than a value".to_owned());
    }
    let value = value.parse().map_err(|_| format!("no number: {value:?}"))?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

type Labels = Vec<(String, String)>;

/// Parses labels up to the closing brace, and returns the rest.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || name.starts_with("__") {
            return Err(format!("no label name: {name:?}"));
        }
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().ok_or("a label value without an end")? {
                (end, '"') => break end,
                (_, '\\') => match chars.next() {
                    Some((_, '\\')) => value.push('\\'),
                    Some((_, '"')) => value.push('"'),
                    Some((_, 'n')) => value.push('\n'),
                    other => return Err(format!("the escape {other:?}")),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = after.get(end + 1..).unwrap_or_default();
        rest = match rest.strip_prefix(',') {
            Some(after) => after,
            None if rest.starts_with('}') => rest,
            None => return Err("labels not separated".to_owned()),
        };
    }
}
