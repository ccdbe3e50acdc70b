//! Authorization of requests, TokenReview and SubjectAccessReview.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use serde_json::{Value, json};

use super::{
    access::RequestAttributes,
    body::{self, StatusError},
    context::Context,
};

/// Rejects requests without a known token or without the required right.
pub(super) async fn authorize(State(context): State<Context>, request: Request, next: Next) -> Response {
    let access = &context.access;
    if !access.is_enforced() {
        return next.run(request).await;
    }
    let Some(user) = bearer_token(request.headers()).and_then(|token| access.user_of(token)) else {
        return StatusError::new(401, "Unauthorized", "Unauthorized").response(context.accepted(&request));
    };
    let uri = request.uri();
    let attributes = RequestAttributes::of(request.method(), uri.path(), uri.query().unwrap_or_default());
    if access.allows(&user, &attributes) {
        return next.run(request).await;
    }
    StatusError::new(403, "Forbidden", attributes.forbidden(&user)).response(context.accepted(&request))
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Handles `TokenReview`.
pub(super) async fn token_review(State(context): State<Context>, review: String) -> Response {
    review_response(&review, |text| match context.access.user_of(&text("/spec/token")) {
        Some(user) => json!({
            "authenticated": true,
            "user": { "username": user, "groups": ["system:authenticated"] },
        }),
        None => json!({ "authenticated": false, "error": "invalid bearer token", "user": {} }),
    })
}

/// Handles `SubjectAccessReview` for a non-resource path.
pub(super) async fn subject_access_review(State(context): State<Context>, review: String) -> Response {
    review_response(&review, |text| {
        let (verb, path) = (text("/spec/nonResourceAttributes/verb"), text("/spec/nonResourceAttributes/path"));
        json!({ "allowed": context.access.allows(&text("/spec/user"), &RequestAttributes::Path { verb, path }) })
    })
}

/// Returns the review with a status built from its fields.
fn review_response(review: &str, status: impl Fn(&dyn Fn(&str) -> String) -> Value) -> Response {
    let review: Value = serde_json::from_str(review).unwrap_or_default();
    let status = status(&|pointer| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned());
    let part = |name: &str| review.get(name).cloned().unwrap_or_default();
    body::json(&json!({
        "apiVersion": part("apiVersion"), "kind": part("kind"), "metadata": {}, "spec": part("spec"), "status": status,
    }))
}
