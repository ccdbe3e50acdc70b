//! Selects pods by field, as far as pods support that (apis/core/v1/conversion.go), and by label.

use std::ops::Range;

use serde_json::Value;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    terms: Vec<Term>,
    /// The hashes of the uids of a shard.
    shard: Option<Range<u128>>,
}

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
            self.terms.push(Term::parse(term)?);
        }
        Ok(())
    }

    /// Adds `app=web,tier!=test`: of what a labelSelector may be, the equalities.
    pub(super) fn labels(&mut self, text: &str) {
        self.terms.extend(text.split(',').filter_map(split).map(|(label, value, equal)| {
            let label = label.replace('~', "~0").replace('/', "~1");
            Term { pointer: format!("/metadata/labels/{label}"), value: value.to_owned(), equal }
        }));
    }

    /// Adds `shardRange(object.metadata.uid, '0x0', '0x8000000000000000')`: of what a shardSelector may be (KEP-5866), one range
    /// of uids.
    pub(super) fn shard(&mut self, text: &str) -> Result<(), String> {
        let parsed = (|| {
            let range = text.strip_prefix("shardRange(object.metadata.uid, '0x")?.strip_suffix("')")?;
            let (begin, end) = range.split_once("', '0x")?;
            Some(u128::from_str_radix(begin, 16).ok()?..u128::from_str_radix(end, 16).ok()?)
        })();
        self.shard = Some(parsed.ok_or_else(|| format!("invalid shardSelector \"{text}\""))?);
        Ok(())
    }

    /// Adds the condition of a path such as `/namespaces/shop/pods`.
    pub(super) fn within(mut self, namespace: Option<String>) -> Self {
        self.terms.extend(namespace.map(|value| Term {
            pointer: "/metadata/namespace".to_owned(),
            value,
            equal: true,
        }));
        self
    }

    /// Whether the pod is selected.
    pub(super) fn matches(&self, pod: &Value) -> bool {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        self.terms.iter().all(|term| (text(&term.pointer) == term.value) == term.equal)
            && self.shard.as_ref().is_none_or(|shard| shard.contains(&hash(text("/metadata/uid"))))
    }

    /// Whether every pod is selected.
    pub(super) fn is_everything(&self) -> bool {
        self.terms.is_empty() && self.shard.is_none()
    }
}

/// FNV-1a (apimachinery, pkg/sharding/hash.go), written anew: a server that shared the client's hash would prove nothing.
fn hash(uid: &str) -> u128 {
    let mut hash: u128 = 14_695_981_039_346_656_037;
    for byte in uid.bytes() {
        hash = ((hash ^ u128::from(byte)) * 1_099_511_628_211) % (1 << 64);
    }
    hash
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
