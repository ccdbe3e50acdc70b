//! The state of the request handlers.

use std::{future::Future, time::Duration};

use axum::extract::Request;
use tokio::sync;

use super::super::resource::Resource;
use super::{
    access::Rbac,
    encoding::ResponseEncoding,
    faults::{Faults, PersistentFault, Verb},
    shared_store::SharedStore,
};

/// The state of the request handlers.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) store: SharedStore,
    pub(super) faults: Faults,
    pub(super) access: Rbac,
    pub(super) stopped: sync::watch::Receiver<bool>,
    pub(super) bookmark_every: Duration,
}

impl Context {
    /// Returns the state for a request, with the faults of its resource.
    pub(super) fn for_request(self, request: &Request) -> Self {
        let resource = Verb::resource(request.uri()).unwrap_or(Resource::Pods);
        Self { faults: self.faults.of(resource), ..self }
    }

    /// Completes when the server stops.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.clone();
        async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    }

    /// Negotiates the encoding of the response.
    pub(super) fn accepted(&self, request: &Request) -> Option<ResponseEncoding> {
        ResponseEncoding::negotiate(request.headers(), !self.faults.has(PersistentFault::DisableProtobuf))
    }
}
