//! Accounts and their credentials, all derived from the seed: nothing is stored.
//!
//! A key id carries the account; a session token carries account, session name and expiry under a MAC. Refused:
//! key ids and tokens that were not made here, tokens that have expired.

use crate::{
    config::{Config, ROLE_NAME},
    digest::{Mix, base64, from_base64, hmac},
};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const FIRST_ID: u64 = 100_000_000_000;
const IDS: u64 = 900_000_000_000;
// Coprime with IDS, so that no two accounts get the same id.
const ID_STEP: u64 = 618_033_988_747;

/// What requests are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Such as `AKIA…`, or `ASIA…` of a session.
    pub access_key_id: String,
    /// Forty characters.
    pub secret_access_key: String,
    /// Only of a session.
    pub session_token: Option<String>,
}

/// The ids of the organisation's active accounts, the management account first.
pub fn account_ids(config: &Config) -> Vec<String> {
    (0..config.accounts).map(|index| account_id(config.seed, index)).collect()
}

/// Long-term credentials of the management account; others are reached with `AssumeRole`.
pub fn credentials(config: &Config) -> Credentials {
    credentials_of(config, 0)
}

/// Long-term credentials of the account with this place in [`account_ids`].
pub fn credentials_of(config: &Config, account: u32) -> Credentials {
    let keys = Keys::new(config.seed);
    let access_key_id = keys.long_term_id(account);
    let secret_access_key = keys.long_term_secret(&access_key_id);
    Credentials { access_key_id, secret_access_key, session_token: None }
}

/// The external id that every account's role asks for.
pub fn external_id(config: &Config) -> String {
    format!("evidenced-{:016x}", Mix::new(config.seed).word("external-id").finish())
}

/// The id of the account with this place.
pub(crate) fn account_id(seed: u64, index: u32) -> String {
    let base = Mix::new(seed).word("account").finish() % IDS;
    // At most 2^20 accounts by 2^40: no overflow.
    let offset = u64::from(index).wrapping_mul(ID_STEP) % IDS;
    format!("{:012}", FIRST_ID + (base + offset) % IDS)
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Place of the account.
    pub(crate) account: u32,
    /// Name of the session of the role; `None` for the account's own user.
    pub(crate) session: Option<String>,
}

impl Caller {
    pub(crate) fn arn(&self, account_id: &str) -> String {
        match &self.session {
            Some(session) => format!("arn:aws:sts::{account_id}:assumed-role/{ROLE_NAME}/{session}"),
            None => format!("arn:aws:iam::{account_id}:user/evidenced"),
        }
    }
}

/// Why a key id or token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// No such key, or a token that does not belong to it.
    Key,
    /// The token is not one of ours.
    Token,
    /// The token was good once.
    Expired,
}

/// Derives and recognises keys.
#[derive(Debug)]
pub(crate) struct Keys {
    root: [u8; 32],
}

impl Keys {
    pub(crate) fn new(seed: u64) -> Self {
        Self { root: hmac(b"simcloud", &[&seed.to_be_bytes()]) }
    }

    fn long_term_id(&self, account: u32) -> String {
        self.key_id("AKIA", account, b"user")
    }

    fn long_term_secret(&self, key_id: &str) -> String {
        secret(&hmac(&self.root, &[b"secret", key_id.as_bytes()]))
    }

    fn key_id(&self, prefix: &str, account: u32, what: &[u8]) -> String {
        let number = account.to_be_bytes();
        let mac = hmac(&self.root, &[prefix.as_bytes(), &number, what]);
        let bytes: Vec<u8> = [0_u8].iter().chain(&number).chain(mac.iter().take(5)).copied().collect();
        format!("{prefix}{}", base32(&bytes))
    }

    /// Credentials of a session of the account's role.
    pub(crate) fn session(&self, account: u32, name: &str, expires: i64) -> Credentials {
        let payload = payload(account, name, expires);
        let mac = hmac(&self.root, &[b"token", &payload]);
        let token: Vec<u8> = mac.iter().take(16).chain(&payload).copied().collect();
        Credentials {
            access_key_id: self.key_id("ASIA", account, &payload),
            secret_access_key: secret(&hmac(&self.root, &[b"session", &payload])),
            session_token: Some(base64(&token)),
        }
    }

    /// The secret that belongs to a key id and token, and whom they stand for.
    pub(crate) fn recognise(
        &self,
        key_id: &str,
        token: Option<&str>,
        now: i64,
    ) -> Result<(String, Caller), Unknown> {
        let Some(token) = token else {
            let account = account_in(key_id).ok_or(Unknown::Key)?;
            if self.long_term_id(account) != key_id {
                return Err(Unknown::Key);
            }
            return Ok((self.long_term_secret(key_id), Caller { account, session: None }));
        };
        let bytes = from_base64(token).ok_or(Unknown::Token)?;
        let (mac, payload) = bytes.split_at_checked(16).ok_or(Unknown::Token)?;
        let expected = hmac(&self.root, &[b"token", payload]);
        if expected.get(..16) != Some(mac) {
            return Err(Unknown::Token);
        }
        let (account, expires, name) = read(payload).ok_or(Unknown::Token)?;
        if self.key_id("ASIA", account, payload) != key_id {
            return Err(Unknown::Key);
        }
        if now >= expires {
            return Err(Unknown::Expired);
        }
        let secret = secret(&hmac(&self.root, &[b"session", payload]));
        Ok((secret, Caller { account, session: Some(name) }))
    }
}

fn payload(account: u32, name: &str, expires: i64) -> Vec<u8> {
    let mut bytes = account.to_be_bytes().to_vec();
    bytes.extend(expires.to_be_bytes());
    bytes.extend(name.as_bytes());
    bytes
}

fn read(payload: &[u8]) -> Option<(u32, i64, String)> {
    let (account, rest) = payload.split_first_chunk::<4>()?;
    let (expires, name) = rest.split_first_chunk::<8>()?;
    let name = String::from_utf8(name.to_vec()).ok()?;
    Some((u32::from_be_bytes(*account), i64::from_be_bytes(*expires), name))
}

fn secret(mac: &[u8]) -> String {
    let mut text = base64(mac);
    text.truncate(40);
    text
}

fn base32(bytes: &[u8]) -> String {
    let bits = bytes.iter().fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let letters = bytes.len() * 8 / 5;
    (0..letters)
        .rev()
        .filter_map(|at| usize::try_from((bits >> (at * 5)) & 31).ok().and_then(|letter| BASE32.get(letter)))
        .map(|letter| char::from(*letter))
        .collect()
}

/// The account that a key id names, whether or not the rest of it is right.
fn account_in(key_id: &str) -> Option<u32> {
    let mut bits = 0_u64;
    for letter in key_id.get(4..12)?.bytes() {
        let value = BASE32.iter().position(|other| *other == letter)?;
        bits = (bits << 5) | u64::try_from(value).ok()?;
    }
    u32::try_from(bits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_twelve_digits_and_none_comes_twice() {
        let config = Config { accounts: 5_000, ..Config::default() };
        let ids = account_ids(&config);
        assert!(ids.iter().all(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())));
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 5_000);
    }

    #[test]
    fn keys_are_recognised_and_others_are_not() {
        let config = Config::default();
        let keys = Keys::new(config.seed);
        for account in [0, 1, 70_000] {
            let own = credentials_of(&config, account);
            assert_eq!(own.access_key_id.len(), 20);
            assert_eq!(own.secret_access_key.len(), 40);
            let (secret, caller) = keys.recognise(&own.access_key_id, None, 0).unwrap();
            assert_eq!((secret, caller.account), (own.secret_access_key, account));
        }
        let other = credentials_of(&Config { seed: 2, ..config }, 0);
        assert_eq!(keys.recognise(&other.access_key_id, None, 0), Err(Unknown::Key));
        for text in ["", "AKIA", "AKIAIOSFODNN7EXAMPLE", "AKIAÄÄÄÄÄÄÄÄ"] {
            assert_eq!(keys.recognise(text, None, 0), Err(Unknown::Key), "{text}");
        }
    }

    #[test]
    fn a_session_is_recognised_until_it_expires() {
        let keys = Keys::new(1);
        let session = keys.session(3, "evidenced-1", 1_000);
        let token = session.session_token.as_deref();
        let (secret, caller) = keys.recognise(&session.access_key_id, token, 999).unwrap();
        assert_eq!(secret, session.secret_access_key);
        assert_eq!(caller, Caller { account: 3, session: Some("evidenced-1".to_owned()) });
        assert_eq!(keys.recognise(&session.access_key_id, token, 1_000), Err(Unknown::Expired));
        assert_eq!(keys.recognise(&session.access_key_id, None, 0), Err(Unknown::Key));
        let later = keys.session(3, "evidenced-1", 2_000);
        assert_eq!(keys.recognise(&later.access_key_id, token, 0), Err(Unknown::Key));
        let mut forged = from_base64(token.unwrap()).unwrap();
        forged[20] ^= 1;
        assert_eq!(keys.recognise(&session.access_key_id, Some(&base64(&forged)), 0), Err(Unknown::Token));
    }
}
