//! Asks timestamp authorities (RFC 3161 over HTTP) to date a digest.
//!
//! The configured authorities are asked in their order; the first answer that is good is taken. Good is: over this
//! digest, to this nonce, granted, and, where the trust root knows authorities, verified under them. Where it knows
//! none, nobody vouches for the answer here and that is said. Refused: redirects, other statuses and content types,
//! answers beyond the limit, and authorities that take too long. A clock of our own plays no part.

use std::cell::Cell;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use evidenced_bundle::timestamp::{
    Authorities, Nonce, REQUEST_TYPE, RESPONSE_BYTES, RESPONSE_TYPE, TimestampError, request, stated_time,
    verify,
};
use evidenced_bundle::{Digest, UtcSecond};

use crate::post::{PostError, post};

/// For one authority, from the connection to the last byte of its answer.
const EXCHANGE: Duration = Duration::from_secs(20);

/// Why an authority's answer was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TsaError {
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("no answer within {} s", EXCHANGE.as_secs())]
    TimedOut,
    #[error("answered with status {0}")]
    Status(u16),
    #[error("answered with content of type {0:?}, expected {RESPONSE_TYPE}")]
    ContentType(String),
    #[error("the answer is refused")]
    Refused(#[from] TimestampError),
}

/// An answer that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// As the authority sent it: what is kept.
    pub(crate) bytes: Vec<u8>,
    pub(crate) time: UtcSecond,
    /// The authority's name, when its root is in the trust root; else nobody vouches for it yet.
    pub(crate) authority: Option<String>,
}

/// The configured authorities.
#[derive(Debug)]
pub(crate) struct TimestampClient {
    urls: Vec<String>,
    connector: Connector,
    authorities: Authorities,
    /// All were silent a moment ago: hundreds of bundles must not wait for each of them.
    silent: Cell<bool>,
}

impl TimestampClient {
    /// `authorities` are those of the trust root; none: answers are taken unverified.
    pub(crate) fn new(urls: Vec<String>, connector: Connector, authorities: Authorities) -> Self {
        Self { urls, connector, authorities, silent: Cell::new(false) }
    }

    /// Whether there is anybody to ask.
    pub(crate) fn is_configured(&self) -> bool {
        !self.urls.is_empty()
    }

    /// Asks again even those that were silent before.
    pub(crate) fn try_again(&self) {
        self.silent.set(false);
    }

    /// The first good answer. Every refusal is a warning in the log. To be called where blocking is allowed.
    pub(crate) fn date(&self, imprint: &Digest) -> Option<Answer> {
        if self.silent.get() {
            return None;
        }
        for url in &self.urls {
            match self.ask(url, imprint) {
                Ok(answer) => {
                    let authority =
                        answer.authority.as_deref().unwrap_or("not in the trust root: unverified");
                    tracing::info!(url, %imprint, time = %answer.time, authority, "dated");
                    return Some(answer);
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(url, %imprint, %error, source, "timestamp authority");
                }
            }
        }
        self.silent.set(true);
        None
    }

    /// One authority's answer. To be called where blocking is allowed.
    pub(crate) fn ask(&self, url: &str, imprint: &Digest) -> Result<Answer, TsaError> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(TsaError::Randomness)?;
        let nonce = Nonce::new(random);
        let request = request(imprint, &nonce)?;
        let exchange = tokio::time::timeout(EXCHANGE, self.exchange(url, request));
        let bytes =
            tokio::runtime::Handle::current().block_on(exchange).map_err(|_| TsaError::TimedOut)??;
        self.judge(bytes, imprint, Some(&nonce))
    }

    /// Whether an answer is good, as far as it can be known here.
    pub(crate) fn judge(
        &self,
        bytes: Vec<u8>,
        imprint: &Digest,
        nonce: Option<&Nonce>,
    ) -> Result<Answer, TsaError> {
        if self.authorities.is_empty() {
            let time = stated_time(&bytes, imprint, nonce)?;
            return Ok(Answer { bytes, time, authority: None });
        }
        let token = verify(&bytes, imprint, nonce, &self.authorities)?;
        let authority = Some(token.authority().to_owned());
        Ok(Answer { bytes, time: token.time(), authority })
    }

    async fn exchange(&self, url: &str, body: Vec<u8>) -> Result<Vec<u8>, TsaError> {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [header("content-type", REQUEST_TYPE), header("accept", RESPONSE_TYPE)];
        let answer = post(&self.connector, url, &headers, body, RESPONSE_BYTES).await?;
        if answer.status != 200 {
            return Err(TsaError::Status(answer.status));
        }
        let found = answer.content_type;
        if !found.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(RESPONSE_TYPE)) {
            return Err(TsaError::ContentType(found));
        }
        Ok(answer.body)
    }
}

#[cfg(test)]
#[path = "../../tests/it/authority.rs"]
mod authority;

#[cfg(test)]
mod tests {
    use super::authority::{Authority, Habit, P256, RSA, dead_url};
    use super::*;

    fn pinned(authority: &Authority) -> Authorities {
        let mut pinned = Authorities::new();
        let pem = std::fs::read_to_string(authority.root()).unwrap();
        pinned.add(&pem, UtcSecond::from_unix(0).unwrap()).unwrap();
        pinned
    }

    fn client(urls: Vec<String>, authorities: Authorities) -> TimestampClient {
        let connector = crate::aws::connector(None, &urls).unwrap();
        TimestampClient::new(urls, connector, authorities)
    }

    /// As the program does it: on a thread that may block, beside a runtime that drives the connections.
    fn ask<T: Send + 'static>(
        client: TimestampClient,
        work: impl FnOnce(&TimestampClient) -> T + Send + 'static,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(move || work(&client)).await }).unwrap()
    }

    fn digest() -> Digest {
        Digest::of(b"a zip")
    }

    #[test]
    fn answers_of_rsa_and_ecdsa_authorities_are_verified() {
        for key in [RSA, P256] {
            let authority = Authority::start(key);
            let client = client(vec![authority.url()], pinned(&authority));
            let answer = ask(client, |client| client.date(&digest())).unwrap();
            assert!(answer.authority.unwrap().contains("example-timestamps"));
        }
    }

    #[test]
    fn the_second_authority_is_asked_when_the_first_is_dead() {
        let authority = Authority::start(P256);
        let client = client(vec![dead_url(), authority.url()], pinned(&authority));
        assert!(ask(client, |client| client.date(&digest())).is_some());
        assert_eq!(authority.asked(), 1);
    }

    #[test]
    fn each_wrong_answer_is_refused_for_its_reason() {
        let authority = Authority::start(P256);
        for (habit, reason) in [
            (Habit::Status, "Status(503)"),
            (Habit::Redirect, "Status(302)"),
            (Habit::OtherType, "ContentType(\"text/html\")"),
            (Habit::OtherImprint, "Imprint"),
            (Habit::OtherNonce, "Nonce"),
            (Habit::Garbage, "Malformed"),
            (Habit::Endless, "TooLong"),
        ] {
            authority.behave(habit);
            for known in [Authorities::new(), pinned(&authority)] {
                let (client, url) = (client(vec![authority.url()], known), authority.url());
                let refused = ask(client, move |client| client.ask(&url, &digest())).unwrap_err();
                assert!(format!("{refused:?}").contains(reason), "{habit:?}: {refused:?}");
            }
        }
    }

    #[test]
    fn an_authority_that_the_trust_root_does_not_have_is_refused_where_it_has_others() {
        let (authority, other) = (Authority::start(P256), Authority::start(P256));
        let client_of = |known| client(vec![authority.url()], known);
        let refused = ask(client_of(pinned(&other)), |client| client.date(&digest()).is_none());
        assert!(refused);
        // Where it has none, the answer is taken, and nobody is named.
        let taken = ask(client_of(Authorities::new()), |client| client.date(&digest())).unwrap();
        assert_eq!(taken.authority, None);
    }

    #[test]
    fn silent_authorities_are_asked_once_until_it_is_tried_again() {
        let authority = Authority::start(P256);
        authority.behave(Habit::Status);
        let client = client(vec![authority.url()], Authorities::new());
        ask(client, |client| {
            assert!(client.date(&digest()).is_none() && client.date(&digest()).is_none());
            client.try_again();
            assert!(client.date(&digest()).is_none());
        });
        assert_eq!(authority.asked(), 2);
    }
}
