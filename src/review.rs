//! Asks the API server who holds a token, and whether they may have a path.

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::http::{Asked, Reviewer, Verdict};

/// Leaves both questions to the API server, as kube-state-metrics and controller-runtime do.
pub struct TokenReviewer {
    tokens: Api<TokenReview>,
    accesses: Api<SubjectAccessReview>,
}

impl TokenReviewer {
    /// A reviewer that asks this API server.
    pub fn new(client: Client) -> Self {
        Self { tokens: Api::all(client.clone()), accesses: Api::all(client) }
    }

    async fn decide(&self, token: String, asked: Asked) -> Result<Verdict, kube::Error> {
        let Some(user) = self.holder(token).await? else { return Ok(Verdict::Unknown) };
        Ok(if self.may(user, asked).await? { Verdict::Allowed } else { Verdict::Forbidden })
    }

    async fn holder(&self, token: String) -> Result<Option<UserInfo>, kube::Error> {
        let spec = TokenReviewSpec { token: Some(token), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.tokens.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    async fn may(&self, user: UserInfo, asked: Asked) -> Result<bool, kube::Error> {
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
        let status = self.accesses.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        Ok(status.allowed && status.denied != Some(true))
    }
}

impl Reviewer for TokenReviewer {
    fn review(&self, token: String, asked: Asked) -> BoxFuture<'_, Result<Verdict, String>> {
        self.decide(token, asked).map(|verdict| verdict.map_err(|error| error.to_string())).boxed()
    }
}
