//! Faults of responses.

use std::{future::Future, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use futures::{Stream, StreamExt, TryStreamExt, future::Either, stream};
use tokio::{task, time};

use super::super::{
    super::{random::Random, resource::Resource},
    body::{self, StatusError},
    encoding::ResponseEncoding,
    socket::ResetHandle,
};

/// A fault of the response to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFault {
    /// Returns this error.
    Reject(ErrorResponse),
    /// Never responds.
    NeverRespond,
    /// Returns another page, for example the error page of a proxy.
    HtmlPage {
        /// The HTTP status.
        code: u16,
        /// The value of the Content-Type header.
        media_type: &'static str,
        /// The bytes of the body, as sent.
        text: &'static str,
    },
    /// Replaces the Content-Type.
    MediaType(&'static str),
    /// Replaces the body with random bytes.
    Noise {
        /// Seed of the random bytes.
        seed: u64,
    },
    /// Sends the body in delayed chunks.
    Slow {
        /// Chunk size in bytes.
        piece: usize,
        /// Delay before each chunk.
        delay: Duration,
    },
    /// Ends the body early.
    Cut {
        /// Bytes sent before the end; 0 sends the headers only.
        after: usize,
        /// The way the connection ends.
        how: Disconnect,
    },
}

/// An error response, by status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorResponse {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 410.
    Gone,
    /// 429 with Retry-After.
    TooManyRequests {
        /// Value of Retry-After.
        retry_after_seconds: u32,
    },
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 504.
    Timeout,
}

/// The way a response body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// Closes the connection within the body.
    Abrupt,
    /// Ends the body properly, as after timeoutSeconds.
    Clean,
    /// Resets the connection.
    Reset,
    /// Sends nothing more and keeps the connection open, like a connection lost by a middlebox.
    Silent,
}

impl Disconnect {
    /// Returns the error that ends the body; `None` ends it properly.
    pub(in crate::api) async fn end(self, peer: &ResetHandle, stopped: impl Future<Output = ()>) -> Option<io::Error> {
        // Lets hyper flush earlier chunks, which it does when the body is pending.
        task::yield_now().await;
        match self {
            Self::Clean => return None,
            Self::Abrupt => {}
            Self::Reset => peer.reset(),
            Self::Silent => stopped.await,
        }
        Some(io::Error::new(io::ErrorKind::ConnectionReset, "ended on demand"))
    }
}

impl ResponseFault {
    /// Applies the fault to a response.
    pub(in crate::api) fn apply(
        self,
        response: Response,
        peer: ResetHandle,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Response {
        match self {
            Self::Reject(_) | Self::NeverRespond => response,
            Self::HtmlPage { code, media_type, text } => body::with_body(code, media_type, text),
            Self::MediaType(media_type) => {
                let mut response = response;
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
                response
            }
            Self::Noise { seed } => response.map(|_| Body::from(noise(seed))),
            Self::Slow { piece, delay } => response.map(|body| Body::from_stream(send_slowly(body, piece, delay))),
            Self::Cut { after, how } => response.map(|body| {
                let end = stream::once(async move { how.end(&peer, stopped).await });
                let end = end.filter_map(async |error| error.map(|error| Err(axum::Error::new(error))));
                Body::from_stream(first(body, after).chain(end))
            }),
        }
    }
}

fn noise(seed: u64) -> Vec<u8> {
    const WORDS: usize = 512;
    let mut random = Random::new(seed);
    (0..WORDS).flat_map(|_| random.next().to_le_bytes()).collect()
}

fn send_slowly(body: Body, piece: usize, delay: Duration) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let pieces = move |bytes: Bytes| {
        let pieces: Vec<_> = bytes.chunks(piece.max(1)).map(Bytes::copy_from_slice).map(Ok).collect();
        stream::iter(pieces)
    };
    body.into_data_stream().map_ok(pieces).try_flatten().then(move |piece| async move {
        time::sleep(delay).await;
        piece
    })
}

/// Returns the first bytes of a body.
fn first(body: Body, bytes: usize) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    if bytes == 0 {
        return Either::Left(stream::empty());
    }
    Either::Right(stream::try_unfold((body.into_data_stream(), bytes), |(mut body, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let piece = body.try_next().await?.map(|piece| piece.slice(..piece.len().min(left)));
        Ok(piece.map(|piece| {
            let left = left - piece.len();
            (piece, (body, left))
        }))
    }))
}

impl ErrorResponse {
    pub(in crate::api) fn problem(self, resource: Resource) -> StatusError {
        match self {
            Self::Unauthorized => StatusError::new(401, "Unauthorized", "Unauthorized"),
            Self::Forbidden => {
                let resource = resource.name();
                let message = format!(
                    "{resource} is forbidden: User \"system:serviceaccount:sim:exporter\" cannot list resource \"{resource}\" in API group \"\" at the cluster scope"
                );
                StatusError::new(403, "Forbidden", message)
            }
            Self::Gone => StatusError::new(410, "Expired", "The resourceVersion for the provided list is too old."),
            Self::TooManyRequests { .. } => {
                StatusError::new(429, "TooManyRequests", "too many requests, please try again later")
            }
            Self::InternalError => {
                StatusError::new(500, "InternalError", "Internal error occurred: etcdserver: leader changed")
            }
            Self::Unavailable => {
                StatusError::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
            }
            Self::Timeout => {
                StatusError::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
            }
        }
    }

    pub(in crate::api) fn response(self, resource: Resource, accepted: Option<ResponseEncoding>) -> Response {
        let mut response = self.problem(resource).response(accepted);
        if let Self::TooManyRequests { retry_after_seconds } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
        }
        response
    }
}
