//! The sections of the file, key by key, with what each accepts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use toml::de::DeTable;

use super::reader::{Reader, Table};
use super::{
    AccountEntry, Aws, BagSize, Checks, Collect, Config, ExternalId, KeySource, Organization, RetryMode,
    Role, Service, Signing,
};
use crate::exceptions::Exception;
use crate::gaps::AcceptedGap;
use crate::item::catalogue;
use crate::pattern::matches;
use crate::plan::Regions;
use crate::schedule::Schedule;

/// The schedule where none is given.
const DAILY: &str = "0 2 * * *";

/// Reads everything; `None` only when a problem was noted that leaves a part without a value.
pub(super) fn config<'a>(reader: &mut Reader<'a>, root: &'a DeTable<'a>) -> Option<Config> {
    let mut top = reader.root(root);
    let scope = reader.required(&mut top, "scope", "a name such as \"prod\"");
    if !scope.is_empty() && evidenced_bundle::Scope::new(scope.clone()).is_none() {
        reader.refuse(&top, "scope", "expected 1 to 32 of a-z, 0-9 and -");
    }
    let organisation = reader.required(&mut top, "organisation", "the name of the organisation");
    if organisation.chars().any(char::is_control) {
        reader.refuse(&top, "organisation", "must be one line without control characters");
    }
    let text = reader.text(&mut top, "schedule").unwrap_or_else(|| DAILY.to_owned());
    let schedule = Schedule::parse(&text)
        .map_err(|error| {
            reader.refuse(
                &top,
                "schedule",
                format!("{error}; expected five fields in UTC, such as \"0 2 * * *\""),
            );
        })
        .or_else(|()| Schedule::parse(DAILY))
        .ok();
    let store = super::store::read(reader, &mut top);
    let (spool, spool_min_free_bytes) = spool(reader, &mut top);
    let signing = signing(reader, &mut top);
    let service = service(reader, &mut top);
    let aws = aws(reader, &mut top);
    let accepted_gaps = accepted_gaps(reader, &mut top);
    let collect = collect(reader, &mut top);
    let bundle = bundle(reader, &mut top);
    let checks = checks(reader, &mut top);
    let controls = controls(reader, &mut top);
    let exceptions = exceptions(reader, &mut top);
    reader.finish(&top);
    Some(Config {
        scope,
        organisation,
        schedule: schedule?,
        store,
        spool,
        spool_min_free_bytes,
        signing,
        service,
        aws,
        accepted_gaps,
        collect,
        bundle,
        checks,
        controls,
        exceptions,
        lines: std::mem::take(&mut reader.lines),
    })
}

fn spool<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> (String, u64) {
    let mut table = reader.table(top, "spool");
    let dir = reader.text(&mut table, "dir").unwrap_or_else(|| "spool".to_owned());
    if dir.is_empty() {
        reader.refuse(&table, "dir", "expected a folder, such as \"spool\"");
    }
    let least = reader.integer(&mut table, "min_free_bytes", MIN_FREE_BYTES, 0..=1 << 50);
    reader.finish(&table);
    (dir, least)
}

/// Room for a small run: what the last run needed counts beyond it.
const MIN_FREE_BYTES: u64 = 64 << 20;

const KEY: &str = "\"file:keys/evidence.key.pem\" or \"awskms:ARN\"";

fn key<'a>(reader: &mut Reader<'a>, table: &Table<'a>, key: &'static str, text: &str) -> KeySource {
    if let Some(id) = text.strip_prefix("awskms:") {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
        if id.is_empty() || id.len() > 2048 || !id.bytes().all(plain) {
            reader.refuse(table, key, format!("{id:?} is not the id, ARN or alias of a KMS key"));
        }
        return KeySource::Kms(id.to_owned());
    }
    let path = text.strip_prefix("file:").unwrap_or_default().to_owned();
    if !text.is_empty() && path.is_empty() {
        reader.refuse(table, key, format!("expected {KEY}"));
    }
    KeySource::File(path)
}

fn signing<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Signing {
    let mut table = reader.table(top, "signing");
    let origin = reader.required(&mut table, "origin", "a name such as \"evidence.example.com/prod\"");
    if origin.chars().any(|char| char.is_whitespace() || char.is_control() || char == '+') {
        reader.refuse(
            &table,
            "origin",
            "must have no spaces and no +, such as \"evidence.example.com/prod\"",
        );
    }
    let evidence = reader.required(&mut table, "evidence_key", KEY);
    let evidence_key = key(reader, &table, "evidence_key", &evidence);
    let log = reader.text(&mut table, "log_key");
    let log_key = log.map(|text| key(reader, &table, "log_key", &text));
    let trust_root = reader.text(&mut table, "trust_root");
    let timestamp_urls = reader.texts(&mut table, "timestamp_urls").unwrap_or_default();
    if let Some(url) =
        timestamp_urls.iter().find(|url| !(url.starts_with("https://") || url.starts_with("http://")))
    {
        reader.refuse(&table, "timestamp_urls", format!("{url:?} is not an http or https URL"));
    }
    reader.finish(&table);
    Signing { origin, evidence_key, log_key, trust_root, timestamp_urls }
}

fn service<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Service {
    let mut table = reader.table(top, "service");
    let listen = reader.text(&mut table, "listen");
    let listen = listen.map_or(Ok(LISTEN), |text| text.parse()).unwrap_or_else(|_| {
        reader.refuse(&table, "listen", "expected an address and a port, such as \"127.0.0.1:9464\"");
        LISTEN
    });
    let jitter_seconds = reader.duration_or_zero(&mut table, "jitter", 0) / 1000;
    let max_run_ms = reader.duration(&mut table, "max_run", 2 * 3_600_000);
    if max_run_ms < 1000 {
        reader.refuse(&table, "max_run", "must be a second or more: it is the life of a lease");
    }
    let shutdown_grace_ms = reader.duration_or_zero(&mut table, "shutdown_grace", 20_000);
    let on_failure = super::hook::read(reader, &mut table, "on_failure");
    let on_gap = super::hook::read(reader, &mut table, "on_gap");
    let otlp_endpoint = reader.text(&mut table, "otlp_endpoint");
    if otlp_endpoint.as_deref().is_some_and(|url| !(url.starts_with("https://") || is_loopback(url))) {
        reader.refuse(
            &table,
            "otlp_endpoint",
            "expected an https URL; http only for 127.0.0.1, ::1 or localhost",
        );
    }
    reader.finish(&table);
    let jitter_seconds = u32::try_from(jitter_seconds).unwrap_or(u32::MAX);
    Service { listen, jitter_seconds, max_run_ms, shutdown_grace_ms, on_failure, on_gap, otlp_endpoint }
}

/// Loopback: health and metrics are nobody else's business unless the configuration says so.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

fn aws<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Aws {
    let mut table = reader.table(top, "aws");
    let profile = reader.text(&mut table, "profile");
    let endpoint_url = reader.text(&mut table, "endpoint_url");
    if let Some(url) = &endpoint_url
        && !(url.starts_with("https://") || is_loopback(url))
    {
        reader.refuse(
            &table,
            "endpoint_url",
            "expected an https URL; http only for 127.0.0.1, ::1 or localhost",
        );
    }
    let ca_bundle = reader.text(&mut table, "ca_bundle");
    let home_region = reader.text(&mut table, "home_region");
    let regions = regions(reader, &mut table);
    let mut accounts = BTreeMap::new();
    for account in reader.tables(&mut table, "accounts") {
        if let Some((id, entry)) = account_entry(reader, account)
            && accounts.insert(id.clone(), entry).is_some()
        {
            reader.refuse(&table, "accounts", format!("account {id} is listed twice"));
        }
    }
    let organization = table.has("organization").then(|| {
        let mut inner = reader.table(&mut table, "organization");
        let name = reader.required(&mut inner, "role", "the role's name in every member account");
        role_name(reader, &inner, &name);
        let external_id = external_id(reader, &mut inner);
        reader.finish(&inner);
        Organization { role: Role { name, external_id } }
    });
    reader.finish(&table);
    Aws { profile, endpoint_url, ca_bundle, home_region, regions, accounts, organization }
}

/// `http://` with a loopback host.
pub(super) fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn regions<'a>(reader: &mut Reader<'a>, table: &mut Table<'a>) -> Regions {
    const ACCEPTED: &str = "expected \"enabled\" or a list such as [\"eu-central-1\"]";
    if !table.has("regions") {
        return Regions::Enabled;
    }
    let before = reader.problems.len();
    if let Some(list) = reader.texts(table, "regions") {
        if list.is_empty() {
            reader.refuse(table, "regions", ACCEPTED);
        }
        if let Some(name) = list.iter().find(|name| !is_region(name)) {
            reader.refuse(table, "regions", format!("{name:?} is not a region's name; {ACCEPTED}"));
        }
        return Regions::Listed(list);
    }
    // Not a list: the word `enabled` is the only other form.
    reader.problems.truncate(before);
    let word = reader.text(table, "regions");
    reader.problems.truncate(before);
    if word.as_deref() != Some("enabled") {
        reader.refuse(table, "regions", ACCEPTED);
    }
    Regions::Enabled
}

fn is_region(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 32
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name.contains('-')
        && name != crate::item::GLOBAL
}

fn role_name<'a>(reader: &mut Reader<'a>, table: &Table<'a>, name: &str) {
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte));
    if !name.is_empty() && (!fits || name.starts_with('/') || name.len() > 512) {
        reader.refuse(
            table,
            "role",
            "expected a role's name (with its path, without the ARN), such as \"EvidenceReader\"",
        );
    }
}

/// A file or a variable, not both.
fn external_id<'a>(reader: &mut Reader<'a>, table: &mut Table<'a>) -> Option<ExternalId> {
    let file = reader.text(table, "external_id_file");
    let variable = reader.text(table, "external_id_env");
    if file.is_some() && variable.is_some() {
        reader.refuse(table, "external_id_env", "external_id_file is given too: one of them says it");
    }
    if let Some(name) = &variable {
        let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty()
            || !name.bytes().all(fits)
            || name.starts_with(|first: char| first.is_ascii_digit())
        {
            let message = "expected the name of a variable in capitals, such as \"EVIDENCED_EXTERNAL_ID\"";
            reader.refuse(table, "external_id_env", message);
        }
    }
    file.map(ExternalId::File).or(variable.map(ExternalId::Variable))
}

fn account_entry<'a>(reader: &mut Reader<'a>, mut table: Table<'a>) -> Option<(String, AccountEntry)> {
    let id = reader.required(&mut table, "id", "twelve digits in quotes");
    let valid = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    if !id.is_empty() && !valid {
        reader.refuse(&table, "id", "expected twelve digits in quotes, such as \"111122223333\"");
    }
    let name = reader.text(&mut table, "name");
    let owner = reader.text(&mut table, "owner");
    let in_scope = reader.boolean(&mut table, "in_scope", true);
    let excluded = reader.text(&mut table, "excluded");
    if excluded.as_deref() == Some("") {
        reader.refuse(&table, "excluded", "expected the reason for leaving the account out");
    }
    let role = reader.text(&mut table, "role");
    let external_id = external_id(reader, &mut table);
    match (&role, &external_id) {
        (Some(name), _) => role_name(reader, &table, name),
        (None, Some(ExternalId::File(_))) => reader.refuse(&table, "external_id_file", "needs a role"),
        (None, Some(ExternalId::Variable(_))) => reader.refuse(&table, "external_id_env", "needs a role"),
        (None, None) => {}
    }
    let role = role.map(|name| Role { name, external_id });
    reader.finish(&table);
    valid.then_some((id, AccountEntry { name, owner, in_scope, excluded, role }))
}

fn accepted_gaps<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Vec<AcceptedGap> {
    let mut gaps = Vec::new();
    for mut table in reader.tables(top, "accepted_gaps") {
        let mut pattern =
            |reader: &mut Reader<'a>, key| reader.text(&mut table, key).unwrap_or_else(|| "*".to_owned());
        let (account, region, item) =
            (pattern(reader, "account"), pattern(reader, "region"), pattern(reader, "item"));
        if account == "*" && region == "*" && item == "*" {
            reader.refuse(
                &table,
                "region",
                "an accepted gap names an account, a region or an item: everything cannot be accepted",
            );
        }
        if !catalogue().iter().any(|known| matches(&item, known.id)) {
            reader.refuse(&table, "item", "matches no item of the catalogue; `evidenced items` lists them");
        }
        let reason = reader.required(&mut table, "reason", "why the gap is expected");
        let approver = reader.required(&mut table, "approver", "who accepted it");
        let expires = day(reader, &mut table, "expires");
        reader.finish(&table);
        gaps.push(AcceptedGap { account, region, item, reason, approver, expires });
    }
    gaps
}

/// `YYYY-MM-DD`, in quotes.
fn day<'a>(reader: &mut Reader<'a>, table: &mut Table<'a>, key: &'static str) -> String {
    let text = reader.required(table, key, "a day such as \"2027-06-30\"");
    let exact = text.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == text);
    if !text.is_empty() && !exact {
        reader.refuse(table, key, "expected a day such as \"2027-06-30\"");
    }
    text
}

fn collect<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Collect {
    let mut table = reader.table(top, "collect");
    let concurrency = reader.integer(&mut table, "concurrency", 64, 1..=1024);
    let quota_share = reader.share(&mut table, "quota_share");
    let attempt_timeout_ms = reader.duration(&mut table, "attempt_timeout", 20_000);
    let operation_timeout_ms = reader.duration(&mut table, "operation_timeout", 120_000);
    if operation_timeout_ms < attempt_timeout_ms {
        reader.refuse(&table, "operation_timeout", "must not be shorter than attempt_timeout");
    }
    let max_attempts = reader.integer(&mut table, "max_attempts", 5, 1..=20);
    let mode = reader.text(&mut table, "retry_mode").unwrap_or_else(|| "standard".to_owned());
    let retry_mode = match mode.as_str() {
        "adaptive" => RetryMode::Adaptive,
        "standard" => RetryMode::Standard,
        _ => {
            reader.refuse(&table, "retry_mode", "expected \"standard\" or \"adaptive\"");
            RetryMode::Standard
        }
    };
    let raw = reader.boolean(&mut table, "raw", false);
    let redact_headers = reader.texts(&mut table, "redact_headers").unwrap_or_default();
    let items = reader.texts(&mut table, "items").unwrap_or_else(|| vec!["*".to_owned()]);
    let unknown = items.iter().find(|pattern| !catalogue().iter().any(|item| matches(pattern, item.id)));
    if let Some(pattern) = unknown {
        let message = format!("{pattern:?} matches no item of the catalogue; `evidenced items` lists them");
        reader.refuse(&table, "items", message);
    }
    if items.is_empty() {
        reader.refuse(&table, "items", "expected at least one item or \"*\"");
    }
    reader.finish(&table);
    Collect {
        concurrency: usize::try_from(concurrency).unwrap_or(64),
        quota_share,
        attempt_timeout_ms,
        operation_timeout_ms,
        max_attempts: u32::try_from(max_attempts).unwrap_or(5),
        retry_mode,
        raw,
        redact_headers,
        items,
    }
}

fn bundle<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> BagSize {
    let mut table = reader.table(top, "bundle");
    // What a verifier reads is the upper bound; a bag has six files beside its payload.
    let most = evidenced_bundle::Limits::default();
    let max_entries = reader.integer(&mut table, "max_entries", most.entries, 10..=most.entries);
    let bytes = 64 << 10..=most.uncompressed_bytes;
    let max_bytes = reader.integer(&mut table, "max_bytes", most.uncompressed_bytes, bytes);
    reader.finish(&table);
    BagSize { max_entries, max_bytes }
}

fn checks<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Checks {
    let mut table = reader.table(top, "checks");
    let mut profile = reader.text(&mut table, "profile").unwrap_or_else(|| "guide".to_owned());
    if !matches!(profile.as_str(), "guide" | "aws") {
        reader.refuse(&table, "profile", "expected \"guide\" or \"aws\"");
        "guide".clone_into(&mut profile);
    }
    let policies_dir = reader.text(&mut table, "policies_dir");
    reader.note(&table, "policies_dir");
    let params = reader.free(&mut table, "params");
    reader.finish(&table);
    Checks { profile, policies_dir, params }
}

fn controls<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Vec<Value> {
    let mut controls = Vec::new();
    for mut table in reader.tables(top, "controls") {
        let id = reader.required(&mut table, "id", "the control's id, such as \"NET-04\"");
        let title = reader.required(&mut table, "title", "the control in one sentence");
        let criteria = reader.texts(&mut table, "criteria").unwrap_or_default();
        let checks = reader.texts(&mut table, "checks").unwrap_or_default();
        let items = reader.texts(&mut table, "items").unwrap_or_default();
        let unknown = items.iter().find(|id| !catalogue().iter().any(|item| item.id == *id));
        if let Some(unknown) = unknown {
            let message =
                format!("{unknown:?} is not an item of the catalogue; `evidenced items` lists them");
            reader.refuse(&table, "items", message);
        }
        let owner = reader.text(&mut table, "owner");
        reader.note(&table, "checks");
        reader.finish(&table);
        controls.push(json!({ "id": id, "title": title, "criteria": criteria, "checks": checks,
            "items": items, "owner": owner }));
    }
    controls
}

fn exceptions<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Vec<Exception> {
    let mut exceptions: Vec<Exception> = Vec::new();
    for mut table in reader.tables(top, "exceptions") {
        let id = reader.required(&mut table, "id", "a name such as \"EX-7\"");
        let exception = Exception {
            check: reader.required(&mut table, "check", "the check's id"),
            resource: reader.required(&mut table, "resource", "the resource's id, or a pattern"),
            reason: reader.required(&mut table, "reason", "why the exception is made"),
            owner: reader.required(&mut table, "owner", "who answers for it"),
            approver: reader.required(&mut table, "approver", "who approved it"),
            approved_at: day(reader, &mut table, "approved_at"),
            expires: table.has("expires").then(|| day(reader, &mut table, "expires")),
            ticket: reader.text(&mut table, "ticket"),
            id,
        };
        if exceptions.iter().any(|other| other.id == exception.id) {
            reader.refuse(&table, "id", "is the id of another exception");
        }
        if exception.expires.as_ref().is_some_and(|expires| *expires < exception.approved_at) {
            reader.refuse(&table, "expires", "must not be before approved_at");
        }
        reader.note(&table, "check");
        reader.finish(&table);
        exceptions.push(exception);
    }
    exceptions
}
