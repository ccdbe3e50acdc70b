//! Field, label and shard selectors (apis/core/v1/conversion.go).

use std::ops::Range;

use serde_json::Value;

use super::super::resource::Resource;

/// Requirements that must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    terms: Vec<Requirement>,
    /// The shard's range of uid hashes.
    shard: Option<Range<u128>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    pointer: String,
    value: String,
    equal: bool,
}

const POD_FIELDS: &[(&str, &str)] = &[
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("spec.nodeName", "/spec/nodeName"),
    ("status.phase", "/status/phase"),
];

/// `source` is `reportingComponent` for Events without a source (registry/core/event/strategy.go, `ToSelectableFields`);
/// the kubelet sets both.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("involvedObject.kind", "/involvedObject/kind"),
    ("involvedObject.namespace", "/involvedObject/namespace"),
    ("involvedObject.name", "/involvedObject/name"),
    ("involvedObject.uid", "/involvedObject/uid"),
    ("involvedObject.apiVersion", "/involvedObject/apiVersion"),
    ("involvedObject.resourceVersion", "/involvedObject/resourceVersion"),
    ("involvedObject.fieldPath", "/involvedObject/fieldPath"),
    ("reason", "/reason"),
    ("reportingComponent", "/reportingComponent"),
    ("source", "/source/component"),
    ("type", "/type"),
];

impl Selector {
    /// Adds a field selector, for example `status.phase!=Failed,spec.nodeName=node-a`. The error is the API server's
    /// message.
    pub(super) fn fields(&mut self, resource: Resource, text: &str) -> Result<(), String> {
        for term in text.split(',').filter(|term| !term.is_empty()) {
            self.terms.push(Requirement::parse(resource, term)?);
        }
        Ok(())
    }

    /// Adds a label selector. Supports equality only, for example `app=web,tier!=test`.
    pub(super) fn labels(&mut self, text: &str) {
        self.terms.extend(text.split(',').filter_map(split).map(|(label, value, equal)| {
            let label = label.replace('~', "~0").replace('/', "~1");
            Requirement { pointer: format!("/metadata/labels/{label}"), value: value.to_owned(), equal }
        }));
    }

    /// Adds a shard selector (KEP-5866). Supports one range: `shardRange(object.metadata.uid, '0x0',
    /// '0x8000000000000000')`.
    pub(super) fn shard(&mut self, text: &str) -> Result<(), String> {
        let parsed = (|| {
            let range = text.strip_prefix("shardRange(object.metadata.uid, '0x")?.strip_suffix("')")?;
            let (begin, end) = range.split_once("', '0x")?;
            Some(u128::from_str_radix(begin, 16).ok()?..u128::from_str_radix(end, 16).ok()?)
        })();
        self.shard = Some(parsed.ok_or_else(|| format!("invalid shardSelector \"{text}\""))?);
        Ok(())
    }

    /// Restricts the selector to the namespace of a path, for example `/namespaces/shop/pods`.
    pub(super) fn within(mut self, namespace: Option<String>) -> Self {
        self.terms.extend(namespace.map(|value| Requirement {
            pointer: "/metadata/namespace".to_owned(),
            value,
            equal: true,
        }));
        self
    }

    /// Returns whether the object matches.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        self.terms.iter().all(|term| (text(&term.pointer) == term.value) == term.equal)
            && self.shard.as_ref().is_none_or(|shard| shard.contains(&hash(text("/metadata/uid"))))
    }

    /// Returns whether every object matches.
    pub(super) fn is_everything(&self) -> bool {
        self.terms.is_empty() && self.shard.is_none()
    }
}

/// FNV-1a (apimachinery, pkg/sharding/hash.go). Deliberately separate from the client's implementation.
fn hash(uid: &str) -> u128 {
    let mut hash: u128 = 14_695_981_039_346_656_037;
    for byte in uid.bytes() {
        hash = ((hash ^ u128::from(byte)) * 1_099_511_628_211) % (1 << 64);
    }
    hash
}

impl Requirement {
    fn parse(resource: Resource, text: &str) -> Result<Self, String> {
        let fields = match resource {
            Resource::Pods => POD_FIELDS,
            Resource::Events => EVENT_FIELDS,
        };
        let (field, value, equal) =
            split(text).ok_or_else(|| format!("invalid field selector \"{text}\": no = or !="))?;
        let (_, pointer) = fields
            .iter()
            .find(|(name, _)| *name == field)
            .ok_or_else(|| format!("field label not supported: {field}"))?;
        Ok(Self { pointer: (*pointer).to_owned(), value: value.to_owned(), equal })
    }
}

/// Splits a requirement into name, value, and whether they must be equal.
fn split(text: &str) -> Option<(&str, &str, bool)> {
    let unequal = text.split_once("!=").map(|(name, value)| (name, value, false));
    unequal.or_else(|| {
        let equal = text.split_once("==").or_else(|| text.split_once('='));
        equal.map(|(name, value)| (name, value, true))
    })
}
