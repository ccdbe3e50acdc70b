//! What can go wrong with an answer.

use std::{future::Future, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use futures::{Stream, StreamExt, TryStreamExt, future::Either, stream};
use tokio::{task, time};

use super::super::{
    super::random::Random,
    body::{self, Problem},
    encoding::Encoding,
    socket::Peer,
};

/// What happens to the answer of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It says why not.
    Refuse(Refusal),
    /// There is none.
    Swallow,
    /// Another one comes instead, such as the page of a proxy.
    Page {
        /// The HTTP status.
        code: u16,
        /// Its Content-Type.
        media_type: &'static str,
        /// Its body.
        text: &'static str,
    },
    /// It says that it is of this Content-Type.
    MediaType(&'static str),
    /// Its body is noise, the same for the same seed.
    Noise {
        /// What the noise is made of.
        seed: u64,
    },
    /// Its body comes in pieces.
    Slow {
        /// How many bytes a piece has.
        piece: usize,
        /// How long there is nothing before each.
        delay: Duration,
    },
    /// Its body ends early.
    Cut {
        /// After how many bytes; 0 is right after the headers.
        after: usize,
        /// How it ends.
        how: Drop,
    },
}

/// A reason for no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 410.
    Gone,
    /// 429 with Retry-After.
    TooManyRequests {
        /// What Retry-After says.
        retry_after_seconds: u32,
    },
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 504.
    Timeout,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// The connection ends in the middle of the body.
    Abrupt,
    /// The body ends as it should, as at the end of timeoutSeconds.
    Clean,
    /// The connection is reset.
    Reset,
    /// Nothing comes any more, and the connection stays, as when a middlebox has forgotten it.
    Silent,
}

impl Drop {
    /// Returns the error that ends the body, or `None` if it ends well.
    pub(in crate::api) async fn end(self, peer: &Peer, stopped: impl Future<Output = ()>) -> Option<io::Error> {
        // What was said before goes out first: hyper flushes when a body has nothing more for now.
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

impl Fault {
    /// Returns what becomes of an answer that was to be given.
    pub(in crate::api) fn spoil(
        self,
        response: Response,
        peer: Peer,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Response {
        match self {
            Self::Refuse(_) | Self::Swallow => response,
            Self::Page { code, media_type, text } => body::with_body(code, media_type, text),
            Self::MediaType(media_type) => {
                let mut response = response;
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
                response
            }
            Self::Noise { seed } => response.map(|_| Body::from(noise(seed))),
            Self::Slow { piece, delay } => response.map(|body| Body::from_stream(slowly(body, piece, delay))),
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

fn slowly(body: Body, piece: usize, delay: Duration) -> impl Stream<Item = Result<Bytes, axum::Error>> {
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

impl Refusal {
    pub(in crate::api) fn problem(self) -> Problem {
        match self {
            Self::Unauthorized => Problem::new(401, "Unauthorized", "Unauthorized"),
            Self::Forbidden => {
                let message = "pods is forbidden: User \"system:serviceaccount:sim:exporter\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
                Problem::new(403, "Forbidden", message)
            }
            Self::Gone => Problem::new(410, "Expired", "The resourceVersion for the provided list is too old."),
            Self::TooManyRequests { .. } => {
                Problem::new(429, "TooManyRequests", "too many requests, please try again later")
            }
            Self::InternalError => {
                Problem::new(500, "InternalError", "Internal error occurred: etcdserver: leader changed")
            }
            Self::Unavailable => {
                Problem::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
            }
            Self::Timeout => {
                Problem::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
            }
        }
    }

    pub(in crate::api) fn response(self, accepted: Option<Encoding>) -> Response {
        let mut response = self.problem().response(accepted);
        if let Self::TooManyRequests { retry_after_seconds } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
        }
        response
    }
}
