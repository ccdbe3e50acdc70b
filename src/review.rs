//! Authenticates and authorizes scrapes with the API server (TokenReview, SubjectAccessReview).

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::cluster::client::Connection;
use crate::http::{AccessDecision, AccessReviewer, RequestAttributes};

/// Delegates both decisions to the API server, as kube-state-metrics and controller-runtime do.
pub struct TokenReviewer {
    connection: Connection,
}

impl TokenReviewer {
    /// Creates a reviewer that uses this connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    async fn review_token(&self, token: String, asked: RequestAttributes) -> anyhow::Result<AccessDecision> {
        let client = self.connection.current().await?.client;
        let Some(user) = authenticate(client.clone(), token).await? else { return Ok(AccessDecision::Unauthenticated) };
        Ok(if authorize(client, user, asked).await? { AccessDecision::Allowed } else { AccessDecision::Forbidden })
    }
}

async fn authenticate(client: Client, token: String) -> Result<Option<UserInfo>, kube::Error> {
    let spec = TokenReviewSpec { token: Some(token), ..TokenReviewSpec::default() };
    let review = TokenReview { spec, ..TokenReview::default() };
    let status = Api::all(client).create(&PostParams::default(), &review).await?.status.unwrap_or_default();
    Ok(status.user.filter(|_| status.authenticated == Some(true)))
}

async fn authorize(client: Client, user: UserInfo, asked: RequestAttributes) -> Result<bool, kube::Error> {
    let RequestAttributes { verb, path } = asked;
    let spec = SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        non_resource_attributes: Some(NonResourceAttributes { path: Some(path), verb: Some(verb) }),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let status = Api::all(client).create(&PostParams::default(), &review).await?.status.unwrap_or_default();
    Ok(status.allowed && status.denied != Some(true))
}

impl AccessReviewer for TokenReviewer {
    fn review(&self, token: String, asked: RequestAttributes) -> BoxFuture<'_, Result<AccessDecision, String>> {
        let failed = |error: anyhow::Error| {
            self.connection.on_request_failed();
            error.to_string()
        };
        self.review_token(token, asked).map(move |verdict| verdict.map_err(failed)).boxed()
    }
}
