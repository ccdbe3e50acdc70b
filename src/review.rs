//! Asks the API server who holds a token, and whether they may have a path.

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::cluster::client::Connection;
use crate::http::{Asked, Reviewer, Verdict};

/// Leaves both questions to the API server, as kube-state-metrics and controller-runtime do.
pub struct TokenReviewer {
    connection: Connection,
}

impl TokenReviewer {
    /// A reviewer that asks this API server.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    async fn decide(&self, token: String, asked: Asked) -> anyhow::Result<Verdict> {
        let client = self.connection.current().await?.client;
        let Some(user) = holder(client.clone(), token).await? else { return Ok(Verdict::Unknown) };
        Ok(if may(client, user, asked).await? { Verdict::Allowed } else { Verdict::Forbidden })
    }
}

async fn holder(client: Client, token: String) -> Result<Option<UserInfo>, kube::Error> {
    let spec = TokenReviewSpec { token: Some(token), ..TokenReviewSpec::default() };
    let review = TokenReview { spec, ..TokenReview::default() };
    let status = Api::all(client).create(&PostParams::default(), &review).await?.status.unwrap_or_default();
    Ok(status.user.filter(|_| status.authenticated == Some(true)))
}

async fn may(client: Client, user: UserInfo, asked: Asked) -> Result<bool, kube::Error> {
    let Asked { verb, path } = asked;
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

impl Reviewer for TokenReviewer {
    fn review(&self, token: String, asked: Asked) -> BoxFuture<'_, Result<Verdict, String>> {
        let failed = |error: anyhow::Error| {
            self.connection.doubt();
            error.to_string()
        };
        self.decide(token, asked).map(move |verdict| verdict.map_err(failed)).boxed()
    }
}
