//! Cuts an answer into pages under opaque tokens.
//!
//! A token is bound to account, region, operation and parameters: it is refused anywhere else. Nothing is kept:
//! a token says where the next page starts, under a MAC.

use evidenced_core::shape::{Operation, Service};
use serde_json::{Map, Value, json};

use crate::{
    digest::{base64, from_base64, hmac},
    refuse::{self, Refusal},
    request::Parameters,
};

/// What a page is a page of.
pub(crate) struct Book<'a> {
    pub(crate) service: &'a Service,
    pub(crate) operation: &'a Operation,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) parameters: &'a Parameters,
    pub(crate) seed: u64,
}

/// How pages go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As AWS: no token after the last entry.
    Proper,
    /// Every page leads to itself.
    Repeating,
    /// The last page leads to an empty one.
    Trailing,
    /// No token is accepted.
    Refusing,
}

const MAC: usize = 12;

impl Book<'_> {
    /// What tells this book from others, whichever page of it is asked for.
    pub(crate) fn title(&self) -> String {
        let Self { service, operation, account, region, .. } = self;
        let pages = operation.pages.iter();
        let of_pages: Vec<&str> = pages
            .flat_map(|pages| pages.input_tokens.iter().chain(&pages.limit_key))
            .map(String::as_str)
            .collect();
        let asked = self.parameters.fingerprint(&of_pages);
        format!("{account} {region} {} {} {asked}", service.name, operation.name)
    }

    fn mac(&self, offset: &[u8]) -> [u8; 32] {
        hmac(b"page", &[&self.seed.to_be_bytes(), self.title().as_bytes(), offset])
    }

    fn token(&self, offset: usize) -> String {
        let offset = u64::try_from(offset).unwrap_or(u64::MAX).to_be_bytes();
        let mac = self.mac(&offset);
        base64(&mac.iter().take(MAC).chain(&offset).copied().collect::<Vec<u8>>())
    }

    fn offset(&self, token: &str) -> Option<usize> {
        let bytes = from_base64(token)?;
        let (mac, offset) = bytes.split_at_checked(MAC)?;
        if self.mac(offset).get(..MAC) != Some(mac) {
            return None;
        }
        usize::try_from(u64::from_be_bytes(offset.try_into().ok()?)).ok()
    }

    /// One page of the whole answer.
    pub(crate) fn page(&self, whole: &Value, cap: Option<u32>, ending: Ending) -> Result<Value, Refusal> {
        let Some(pages) = &self.operation.pages else { return Ok(whole.clone()) };
        let (Some(input), Some(output), Some(key)) =
            (pages.input_tokens.first(), pages.output_tokens.first(), pages.result_keys.first())
        else {
            return Ok(whole.clone());
        };
        let asked = pages.limit_key.as_deref().and_then(|limit| self.parameters.number(limit));
        let most = pages.page_size_max.unwrap_or(if self.service.name == "config" { 25 } else { 1_000 });
        // Without a page size EC2 answers up to 1,000 whatever the most that can be asked for.
        let most = if self.service.name == "ec2" { most.max(1_000) } else { most };
        let size = asked.filter(|size| *size > 0).unwrap_or(u64::from(most));
        let size = size.min(cap.map_or(u64::MAX, u64::from)).max(1);
        let size = usize::try_from(size).unwrap_or(usize::MAX);

        let (Some(members), Some(Value::Array(entries))) = (whole.as_object(), whole.get(key)) else {
            return Ok(whole.clone());
        };
        let start = match self.parameters.text(input) {
            None | Some("") => 0,
            Some(_) if ending == Ending::Refusing => return Err(refuse::invalid_page_token(self.service)),
            Some(token) => self
                .offset(token)
                .filter(|start| *start <= entries.len())
                .ok_or_else(|| refuse::invalid_page_token(self.service))?,
        };
        let end = start.saturating_add(size).min(entries.len());
        let more = end < entries.len();
        let trailing = ending == Ending::Trailing && !more && start < entries.len();
        let mut page: Map<String, Value> = (members.iter())
            .map(|(name, value)| {
                let value = if name == key {
                    Value::Array(entries.get(start..end).unwrap_or_default().to_vec())
                } else {
                    value.clone()
                };
                (name.clone(), value)
            })
            .collect();
        let next = match ending {
            Ending::Repeating => Some(start),
            _ => (more || trailing).then_some(end),
        };
        if let Some(next) = next {
            page.insert(output.clone(), json!(self.token(next)));
        }
        if let Some(flag) = &pages.more_results {
            page.insert(flag.clone(), json!(next.is_some()));
        }
        Ok(Value::Object(page))
    }
}
