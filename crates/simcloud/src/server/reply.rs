//! One HTTP response, whole or spoilt as a fault wants it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use evidenced_core::shape::{Protocol, Service};
use hyper::{
    Response, StatusCode,
    body::{Body as HttpBody, Frame, SizeHint},
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue},
};
use tokio::time::Sleep;

use crate::{
    fault::Effect,
    refuse::Refusal,
    write::{self},
};

/// How much of a body arrives, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// Half, then the connection closes.
    Broken,
    /// Half, then nothing.
    Stalled,
}

impl Delivery {
    pub(super) fn of(effect: Option<&Effect>) -> Self {
        match effect {
            Some(Effect::Truncate) => Self::Broken,
            Some(Effect::Stall) => Self::Stalled,
            _ => Self::Whole,
        }
    }
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    body: Vec<u8>,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    delivery: Delivery,
}

impl Reply {
    pub(super) fn plain(status: u16, text: &str) -> Self {
        Self {
            status,
            body: text.as_bytes().to_vec(),
            content_type: "text/plain",
            headers: Vec::new(),
            delivery: Delivery::Whole,
        }
    }

    pub(super) fn refusal(service: &Service, refusal: &Refusal, request_id: &str) -> Self {
        let written = write::refusal(service, refusal, request_id);
        Self {
            status: refusal.status,
            body: written.body(request_id),
            content_type: written.content_type,
            headers: refusal.headers.clone(),
            delivery: Delivery::Whole,
        }
    }

    pub(super) fn answer(body: Vec<u8>, content_type: &'static str) -> Self {
        Self { status: 200, body, content_type, headers: Vec::new(), delivery: Delivery::Whole }
    }

    /// Adds the headers of the service.
    pub(super) fn for_service(mut self, service: &Service, request_id: &str) -> Self {
        if service.protocol == Protocol::RestXml {
            self.headers.push(("x-amz-request-id", request_id.replace('-', "").to_ascii_uppercase()));
            self.headers.push(("x-amz-id-2", "c2ltY2xvdWQ=".to_owned()));
        } else {
            self.headers.push(("x-amzn-requestid", request_id.to_owned()));
        }
        self
    }

    pub(super) fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Changes the body as a fault wants it; `root` is what an XML answer starts with.
    pub(super) fn spoilt(mut self, root: Option<&str>, effect: Option<&Effect>) -> Self {
        let xml = self.content_type.contains("xml");
        match effect {
            Some(Effect::TruncateConsistently) => self.body.truncate(self.body.len() / 2),
            Some(Effect::Malformed) => {
                self.body.extend_from_slice(if xml { b"</stray>" } else { b"}" });
            }
            Some(Effect::WrongRoot) => {
                self.body = match (xml, root) {
                    (true, Some(root)) => {
                        let text = String::from_utf8_lossy(&self.body);
                        let other = "SomethingElse";
                        text.replace(&format!("<{root} "), &format!("<{other} "))
                            .replace(&format!("</{root}>"), &format!("</{other}>"))
                            .into_bytes()
                    }
                    _ => b"[\"something else\"]".to_vec(),
                };
            }
            Some(Effect::EmptyBody) => self.body.clear(),
            Some(Effect::WrongContentType) => self.content_type = "text/html; charset=utf-8",
            // Blanks after the document are allowed in XML and JSON.
            Some(Effect::Oversize { bytes }) if *bytes > self.body.len() => self.body.resize(*bytes, b' '),
            _ => {}
        }
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let length = self.body.len();
        let body = Bytes::from(self.body);
        let half = body.slice(..length / 2);
        let body = match self.delivery {
            Delivery::Whole => Body::Whole(Some(body)),
            Delivery::Broken => {
                // Long enough for the first half to be on its way.
                Body::Broken(Some(half), Box::pin(tokio::time::sleep(Duration::from_millis(20))))
            }
            Delivery::Stalled => Body::Stalled(Some(half)),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// The body of a response.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Option<Bytes>),
    Broken(Option<Bytes>, Pin<Box<Sleep>>),
    Stalled(Option<Bytes>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = |bytes: Bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match self.get_mut() {
            Self::Whole(bytes) => match bytes.take().filter(|bytes| !bytes.is_empty()) {
                Some(bytes) => frame(bytes),
                None => Poll::Ready(None),
            },
            Self::Broken(bytes, pause) => match bytes.take() {
                Some(bytes) => frame(bytes),
                None => pause.as_mut().poll(cx).map(|()| Some(Err(io::Error::other("cut off on purpose")))),
            },
            Self::Stalled(bytes) => match bytes.take() {
                Some(bytes) => frame(bytes),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            _ => SizeHint::default(),
        }
    }
}
