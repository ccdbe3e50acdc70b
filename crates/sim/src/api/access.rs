//! Authentication and authorization with RBAC rules, and the TokenReview and SubjectAccessReview APIs. Off until a test
//! enables it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::Method;
use serde_json::Value;

/// Users and their rights. Clones share the state. Before the first grant, every request is allowed.
#[derive(Clone, Debug, Default)]
pub struct Rbac(Arc<Mutex<Option<Vec<RoleBinding>>>>);

/// A role bound to a bearer token.
#[derive(Clone, Debug)]
struct RoleBinding {
    token: String,
    user: String,
    /// The namespace of the binding; `None` is the whole cluster.
    namespace: Option<String>,
    /// The `rules` of a Role or ClusterRole.
    rules: Value,
}

/// The attributes of a request for authorization.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RequestAttributes {
    Resource { verb: &'static str, group: String, resource: String, namespace: Option<String> },
    Path { verb: String, path: String },
}

impl Rbac {
    /// Enables authorization: only granted requests are allowed.
    pub fn enforce(&self) {
        self.lock().get_or_insert_default();
    }

    /// Grants the rules of a role to a token, in one namespace or in the whole cluster.
    pub fn grant(&self, token: &str, user: &str, namespace: Option<&str>, rules: &Value) {
        self.lock().get_or_insert_default().push(RoleBinding {
            token: token.to_owned(),
            user: user.to_owned(),
            namespace: namespace.map(str::to_owned),
            rules: rules.clone(),
        });
    }

    /// Revokes all grants of a token.
    pub fn revoke(&self, token: &str) {
        self.lock().get_or_insert_default().retain(|grant| grant.token != token);
    }

    pub(super) fn user_of(&self, token: &str) -> Option<String> {
        self.lock().iter().flatten().find(|grant| grant.token == token).map(|grant| grant.user.clone())
    }

    pub(super) fn allows(&self, user: &str, attributes: &RequestAttributes) -> bool {
        self.lock().iter().flatten().any(|grant| grant.user == user && grant.allows(attributes))
    }

    pub(super) fn is_enforced(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<RoleBinding>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RoleBinding {
    fn allows(&self, attributes: &RequestAttributes) -> bool {
        let has = |rule: &Value, list: &str, wanted: &str| {
            let entries = rule.get(list).and_then(Value::as_array);
            entries.into_iter().flatten().filter_map(Value::as_str).any(|entry| entry == wanted || entry == "*")
        };
        let mut rules = self.rules.as_array().into_iter().flatten();
        match attributes {
            RequestAttributes::Resource { verb, group, resource, namespace } => {
                (self.namespace.is_none() || self.namespace == *namespace)
                    && rules.any(|rule| {
                        has(rule, "apiGroups", group) && has(rule, "resources", resource) && has(rule, "verbs", verb)
                    })
            }
            RequestAttributes::Path { verb, path } => {
                self.namespace.is_none()
                    && rules.any(|rule| has(rule, "nonResourceURLs", path) && has(rule, "verbs", verb))
            }
        }
    }
}

impl RequestAttributes {
    pub(super) fn of(method: &Method, path: &str, query: &str) -> Self {
        let mut parts = path.trim_matches('/').split('/');
        let group = match (parts.next(), parts.next()) {
            (Some("api"), Some(_)) => String::new(),
            (Some("apis"), Some(group)) => {
                parts.next();
                group.to_owned()
            }
            _ => return Self::Path { verb: method.as_str().to_lowercase(), path: path.to_owned() },
        };
        let mut resource = parts.next().unwrap_or_default();
        let mut namespace = None;
        let mut name = parts.next();
        if let ("namespaces", Some(in_it), Some(below)) = (resource, name, parts.next()) {
            namespace = Some(in_it.to_owned());
            resource = below;
            name = parts.next();
        }
        let is_watch = query.split('&').any(|pair| matches!(pair, "watch=1" | "watch=true"));
        let verb = match (method, name) {
            (&Method::POST, _) => "create",
            (_, Some(_)) => "get",
            (_, None) if is_watch => "watch",
            (_, None) => "list",
        };
        Self::Resource { verb, group, resource: resource.to_owned(), namespace }
    }

    /// Returns the API server's message.
    pub(super) fn forbidden(&self, user: &str) -> String {
        match self {
            Self::Resource { verb, group, resource, namespace } => {
                let place = namespace
                    .as_ref()
                    .map_or_else(|| "at the cluster scope".to_owned(), |name| format!("in the namespace \"{name}\""));
                let name = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
                format!(
                    "{name} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}"
                )
            }
            Self::Path { verb, path } => format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\""),
        }
    }
}
