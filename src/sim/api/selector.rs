//! Selects pods by field, as far as pods support that (apis/core/v1/conversion.go), and by label.

use serde_json::Value;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    pointer: String,
    value: String,
    equal: bool,
}

const FIELDS: &[(&str, &str)] = &[
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("spec.nodeName", "/spec/nodeName"),
    ("status.phase", "/status/phase"),
];

impl Selector {
    /// Adds `status.phase!=Failed,spec.nodeName=node-a`; the error is the API server's message.
    pub(super) fn fields(&mut self, text: &str) -> Result<(), String> {
        for term in text.split(',').filter(|term| !term.is_empty()) {
            self.0.push(Term::parse(term)?);
        }
        Ok(())
    }

    /// Adds `app=web,tier!=test`: of what a labelSelector may be, the equalities.
    pub(super) fn labels(&mut self, text: &str) {
        self.0.extend(text.split(',').filter_map(split).map(|(label, value, equal)| {
            let label = label.replace('~', "~0").replace('/', "~1");
            Term { pointer: format!("/metadata/labels/{label}"), value: value.to_owned(), equal }
        }));
    }

    /// Adds the condition of a path such as `/namespaces/shop/pods`.
    pub(super) fn within(mut self, namespace: Option<String>) -> Self {
        self.0.extend(namespace.map(|value| Term { pointer: "/metadata/namespace".to_owned(), value, equal: true }));
        self
    }

    /// Whether the pod is selected.
    pub(super) fn matches(&self, pod: &Value) -> bool {
        self.0.iter().all(|term| {
            let value = pod.pointer(&term.pointer).and_then(Value::as_str).unwrap_or_default();
            (value == term.value) == term.equal
        })
    }

    /// Whether every pod is selected.
    pub(super) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

impl Term {
    fn parse(text: &str) -> Result<Self, String> {
        let (field, value, equal) =
            split(text).ok_or_else(|| format!("invalid field selector \"{text}\": no = or !="))?;
        let (_, pointer) = FIELDS
            .iter()
            .find(|(name, _)| *name == field)
            .ok_or_else(|| format!("field label not supported: {field}"))?;
        Ok(Self { pointer: (*pointer).to_owned(), value: value.to_owned(), equal })
    }
}

/// A term as its name, its value, and whether it demands or forbids that.
fn split(text: &str) -> Option<(&str, &str, bool)> {
    let unequal = text.split_once("!=").map(|(name, value)| (name, value, false));
    unequal.or_else(|| {
        let equal = text.split_once("==").or_else(|| text.split_once('='));
        equal.map(|(name, value)| (name, value, true))
    })
}
