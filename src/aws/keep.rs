//! A response body that keeps what passes through it.
//!
//! The bytes are kept as received, up to a limit, and count as whole only when the inner body ended without an error
//! and with as many bytes as Content-Length promised. Refused: a body over the limit (the rest is not read) and a body
//! that is shorter or longer than promised.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_smithy_types::body::{Error, SdkBody};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

/// How far a body got.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Kept {
    /// Not at its end.
    #[default]
    Open,
    /// Received to its end, as long as promised.
    Whole(Bytes),
    /// Larger than the limit.
    TooLarge,
}

/// Where the body that was kept can be read, also after the body is gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Kept>>);

impl Shelf {
    pub(super) fn look(&self) -> Kept {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, kept: Kept) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

/// What the reader of a [`KeepingBody`] gets to see.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// The bytes themselves.
    Body,
    /// A small valid document instead: the reader's parse would be thrown away.
    StandIn(Bytes),
}

/// The error that ends a body over the limit; what reads it must not try again.
#[derive(Debug, thiserror::Error)]
#[error("the response is larger than {limit_bytes} bytes")]
pub(super) struct TooLarge {
    limit_bytes: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("the response has {received_bytes} bytes, Content-Length says {promised_bytes}")]
struct WrongLength {
    received_bytes: usize,
    promised_bytes: u64,
}

/// See the module.
pub(super) struct KeepingBody {
    inner: SdkBody,
    shelf: Shelf,
    received: BytesMut,
    promised_bytes: Option<u64>,
    limit_bytes: usize,
    shown: Option<Shown>,
}

/// Room taken before the first byte, whatever Content-Length says.
const FIRST_ROOM_BYTES: u64 = 64 * 1024;

impl KeepingBody {
    pub(super) fn new(
        inner: SdkBody,
        shelf: Shelf,
        promised_bytes: Option<u64>,
        limit_bytes: usize,
        shown: Shown,
    ) -> Self {
        let room = usize::try_from(promised_bytes.unwrap_or(0).min(FIRST_ROOM_BYTES)).unwrap_or(0);
        let received = BytesMut::with_capacity(room);
        Self { inner, shelf, received, promised_bytes, limit_bytes, shown: Some(shown) }
    }

    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Error> {
        if self.received.len().saturating_add(data.len()) > self.limit_bytes {
            self.shelf.put(Kept::TooLarge);
            return Err(TooLarge { limit_bytes: self.limit_bytes }.into());
        }
        self.received.extend_from_slice(&data);
        Ok(match self.shown {
            Some(Shown::Body) => Some(data),
            Some(Shown::StandIn(_)) | None => None,
        })
    }

    fn end(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(shown) = self.shown.take() else { return Ok(None) };
        let received_bytes = self.received.len();
        match self.promised_bytes {
            Some(promised_bytes) if u64::try_from(received_bytes) != Ok(promised_bytes) => {
                Err(WrongLength { received_bytes, promised_bytes }.into())
            }
            Some(_) | None => {
                self.shelf.put(Kept::Whole(std::mem::take(&mut self.received).freeze()));
                Ok(match shown {
                    Shown::Body => None,
                    Shown::StandIn(document) => Some(document),
                })
            }
        }
    }
}

impl Body for KeepingBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.end().transpose().map(|end| end.map(Frame::data))),
            };
            // Trailers carry nothing that is kept.
            let Ok(data) = frame.into_data() else { continue };
            if let Some(shown) = self.take(data).transpose() {
                return Poll::Ready(Some(shown.map(Frame::data)));
            }
        }
    }
}

impl fmt::Debug for KeepingBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeepingBody")
            .field("received_bytes", &self.received.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::byte_stream::{AggregatedBytes, ByteStream};

    use super::*;

    async fn through(
        promised_bytes: Option<u64>,
        limit_bytes: usize,
        shown: Shown,
    ) -> (Result<Bytes, String>, Kept) {
        let shelf = Shelf::default();
        let inner = SdkBody::from("twelve bytes");
        let body = KeepingBody::new(inner, shelf.clone(), promised_bytes, limit_bytes, shown);
        let read = ByteStream::new(SdkBody::from_body_1_x(body)).collect().await;
        (read.map(AggregatedBytes::into_bytes).map_err(|error| format!("{error:?}")), shelf.look())
    }

    #[tokio::test]
    async fn what_is_read_is_what_is_kept() {
        let whole = Bytes::from("twelve bytes");
        assert_eq!(through(Some(12), 12, Shown::Body).await, (Ok(whole.clone()), Kept::Whole(whole.clone())));
        assert_eq!(through(None, 12, Shown::Body).await, (Ok(whole.clone()), Kept::Whole(whole)));
    }

    #[tokio::test]
    async fn a_stand_in_is_read_and_the_body_is_kept() {
        let (read, kept) = through(Some(12), 12, Shown::StandIn(Bytes::from("{}"))).await;
        assert_eq!((read, kept), (Ok(Bytes::from("{}")), Kept::Whole(Bytes::from("twelve bytes"))));
    }

    #[tokio::test]
    async fn another_length_than_promised_is_not_whole() {
        for promised in [11, 13] {
            for shown in [Shown::Body, Shown::StandIn(Bytes::from("{}"))] {
                let (read, kept) = through(Some(promised), 12, shown).await;
                assert!(read.unwrap_err().contains("promised_bytes"));
                assert_eq!(kept, Kept::Open);
            }
        }
    }

    #[tokio::test]
    async fn a_byte_over_the_limit_is_too_large() {
        let (read, kept) = through(Some(12), 11, Shown::Body).await;
        assert!(read.is_err());
        assert_eq!(kept, Kept::TooLarge);
    }
}
