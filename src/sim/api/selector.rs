//! Selects pods by field: the part of fieldSelector that pods support (apis/core/v1/conversion.go).

use serde_json::Value;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    pointer: &'static str,
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
    /// Reads `status.phase!=Failed,spec.nodeName=node-a`; the error is the API server's message.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        text.split(',').filter(|term| !term.is_empty()).map(Term::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Adds the condition of a path such as `/namespaces/shop/pods`.
    pub(super) fn within(mut self, namespace: Option<String>) -> Self {
        self.0.extend(namespace.map(|value| Term { pointer: "/metadata/namespace", value, equal: true }));
        self
    }

    /// Whether the pod is selected.
    pub(super) fn matches(&self, pod: &Value) -> bool {
        self.0.iter().all(|term| {
            let value = pod.pointer(term.pointer).and_then(Value::as_str).unwrap_or_default();
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
        let (field, value, equal) = text
            .split_once("!=")
            .map(|(field, value)| (field, value, false))
            .or_else(|| {
                text.split_once("==").or_else(|| text.split_once('=')).map(|(field, value)| (field, value, true))
            })
            .ok_or_else(|| format!("invalid field selector \"{text}\": no = or !="))?;
        let (_, pointer) = FIELDS
            .iter()
            .find(|(name, _)| *name == field)
            .ok_or_else(|| format!("field label not supported: {field}"))?;
        Ok(Self { pointer, value: value.to_owned(), equal })
    }
}
