//! Puts the pages together: one, or an index and a page for each account when there are too many rows for one.
//!
//! The page may run exactly the script and the style that are in it, by their digests in its content security policy,
//! and it may load nothing. Every value is escaped by the environment, not by the templates. Same input, same bytes.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_bundle::Digest;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as Shown, ValueKind};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context, escape_formatter};
use serde::Serialize;
use serde_json::Value;

use super::answer::answer;
use super::changes::changes;
use super::coverage::coverage;
use super::drawings::Drawings;
use super::look::{owned, text};
use super::network_page::{estate, of_account};
use super::read::{Account, accounts, digits};
use super::text::escaped;
use super::verdicts::{Counts, Documents, Rows, blocks};
use super::{criteria, people};
use crate::assessment::Assessment;
use crate::facts::Facts;

/// Path of the report in a bag.
pub const REPORT: &str = "data/report.html";
/// Rows that one page holds.
pub const ROWS_OF_A_PAGE: usize = 10_000;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const TEMPLATES: [(&str, &str); 7] = [
    ("page.html", include_str!("page.html")),
    ("parts.html", include_str!("parts.html")),
    ("answer.html", include_str!("answer.html")),
    ("scope.html", include_str!("scope.html")),
    ("coverage.html", include_str!("coverage.html")),
    ("people.html", include_str!("people.html")),
    ("limits.html", include_str!("limits.html")),
];

/// Why there is no report: a template of this program is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be written")]
pub struct ReportError(#[from] minijinja::Error);

/// The digest of a script or a style as a content security policy spells it: SHA-256 in base64.
pub fn source_hash(source: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = Digest::of(source.as_bytes());
    let mut text = String::new();
    for group in digest.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for position in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * position) & 63).unwrap_or_default();
            let symbol = ALPHABET.get(digit).copied().filter(|_| position <= group.len());
            text.push(char::from(symbol.unwrap_or(b'=')));
        }
    }
    text
}

/// What the head of the report says of the run.
#[derive(Debug, Serialize)]
struct RunFacts {
    organisation: String,
    scope: String,
    slot: String,
    trigger: String,
    schedule: String,
    start: String,
    end: String,
    status: String,
    accounts: String,
    regions: String,
    key: String,
    trust_root: Option<(String, String)>,
    origin: String,
    version: String,
    policies: String,
    config: String,
    bundle: String,
}

#[derive(Debug, Serialize)]
struct AccountRow {
    id: String,
    name: String,
    owner: Option<String>,
    in_scope: bool,
    left_out: Option<String>,
    regions: usize,
    counts: Counts,
    page: String,
}

fn run_facts(facts: &Facts) -> RunFacts {
    let at = |value: &Value, pointer: &str| match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) if !other.is_null() => other.to_string(),
        _ => String::new(),
    };
    let run = |pointer: &str| at(&facts.run, pointer);
    let (slot, scope, trigger) = (run("/slot"), run("/scope/name"), run("/trigger"));
    let compact: String = slot.chars().filter(|it| !matches!(it, '-' | ':')).collect();
    let bundle = match trigger.as_str() {
        "schedule" => format!("evidence-{scope}-{compact}"),
        "manual" => format!("evidence-{scope}-{compact}-manual"),
        _ => "BUNDLE".to_owned(),
    };
    let root = facts.config.pointer("/signing/trust_root").filter(|root| root.is_object());
    RunFacts {
        organisation: owned(&facts.config, "organisation"),
        start: run("/collected/start"),
        end: run("/collected/end"),
        status: run("/status"),
        accounts: run("/scope/accounts"),
        regions: run("/scope/regions"),
        key: run("/evidenceKeyId"),
        trust_root: root.map(|root| (at(root, "/version"), at(root, "/sha256"))),
        origin: at(&facts.config, "/signing/origin"),
        version: run("/collector/version"),
        policies: run("/collector/policiesDigest/sha256"),
        config: run("/collector/configDigest/sha256"),
        schedule: text(&facts.run, "schedule").unwrap_or_default().to_owned(),
        slot,
        scope,
        trigger,
        bundle,
    }
}

fn account_rows(assessment: &Assessment, accounts: &BTreeMap<String, Account>) -> Vec<AccountRow> {
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for row in &assessment.rows {
        counts.entry(&row.row.account).or_default().add(row.verdict());
    }
    let row = |account: &Account| AccountRow {
        id: account.id.clone(),
        name: account.name.clone(),
        owner: account.owner.clone(),
        in_scope: account.in_scope,
        left_out: account.left_out.clone(),
        regions: account.regions,
        page: counts.get(account.id.as_str()).map(|_| page_name(&account.id)).unwrap_or_default(),
        counts: counts.get(account.id.as_str()).copied().unwrap_or_default(),
    };
    accounts.values().map(row).collect()
}

fn page_name(account: &str) -> String {
    format!("report/{account}.html")
}

/// An instant for people: `2026-11-22 02:00:00 UTC`. Another text stays as it is.
fn when(instant: &str) -> String {
    match instant.strip_suffix('Z').and_then(|it| it.split_once('T')) {
        Some((day, time)) => format!("{day} {time} UTC"),
        None => instant.to_owned(),
    }
}

fn environment() -> Result<Environment<'static>, ReportError> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if value.kind() == ValueKind::String && !value.is_safe() => {
            Ok(out.write_str(&escaped(text))?)
        }
        _ => escape_formatter(out, state, value),
    });
    environment.add_filter("digits", |count: usize| digits(count));
    environment.add_filter("when", |instant: String| when(&instant));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// `data/report.html`, and beyond [`ROWS_OF_A_PAGE`] rows a page for each account, one after another.
pub fn each_page(
    facts: &Facts,
    assessment: &Assessment,
    drawings: &Drawings,
    put: &mut dyn FnMut(String, Vec<u8>),
) -> Result<(), ReportError> {
    each_page_of(facts, assessment, drawings, ROWS_OF_A_PAGE, put)
}

/// The same at once, with another number of rows that one page holds.
pub fn pages_of(
    facts: &Facts,
    assessment: &Assessment,
    drawings: &Drawings,
    most: usize,
) -> Result<Vec<(String, Vec<u8>)>, ReportError> {
    let mut pages = Vec::new();
    each_page_of(facts, assessment, drawings, most, &mut |path, bytes| pages.push((path, bytes)))?;
    Ok(pages)
}

fn each_page_of(
    facts: &Facts,
    assessment: &Assessment,
    drawings: &Drawings,
    most: usize,
    put: &mut dyn FnMut(String, Vec<u8>),
) -> Result<(), ReportError> {
    let environment = environment()?;
    let template = environment.get_template("page.html")?;
    let accounts = accounts(facts);
    let coverage = coverage(facts, &accounts);
    let elsewhere = assessment.rows.len() > most;
    let documents = Documents::new(assessment, None);
    let rows = if elsewhere { Rows::Elsewhere } else { Rows::Here { documents: &documents, account: None } };
    let named: BTreeSet<&str> =
        assessment.checks.values().flat_map(|check| &check.criteria).map(String::as_str).collect();
    let run = run_facts(facts);
    let changes = changes(facts);
    let mut contents = vec![
        ("answer", "Answer"),
        ("scope", "Scope and period"),
        ("coverage", "Coverage"),
        ("population", "Population"),
        ("verdicts", "Verdicts"),
        ("act", "Who must act"),
        ("exceptions", "Exceptions"),
        ("controls", "Responsibility"),
        ("networks", "Networks"),
        ("not-covered", "Not covered"),
        ("verify", "How to verify"),
    ];
    if !elsewhere && !assessment.documents.is_empty() {
        contents.push(("documents", "Documents"));
    }
    let shared = context! {
        style => STYLE, style_hash => source_hash(STYLE), script => SCRIPT, script_hash => source_hash(SCRIPT),
        run => Serde(&run), profile => &assessment.profile, now => &assessment.now, elsewhere => elsewhere,
        total => digits(assessment.rows.len()), checks => assessment.checks.len(),
    };
    let index = template.render(context! {
        title => format!("Evidence {} {}", run.scope, run.slot),
        account => "", contents => Serde(contents),
        answer => Serde(answer(facts, assessment, &accounts, &coverage)),
        changes => Serde(changes),
        accounts => Serde(account_rows(assessment, &accounts)),
        criteria => Serde(blocks(assessment, &accounts, &rows)),
        exceptions => Serde(people::exceptions(assessment)),
        accepted => Serde(people::accepted(facts)),
        controls => Serde(people::controls(facts, assessment)),
        network => Serde(estate(drawings, &accounts, !elsewhere)),
        not_covered => Serde(criteria::not_covered(&named)),
        document_list => Serde(if elsewhere { Vec::new() } else { documents.list() }),
        coverage => Serde(coverage),
        ..shared.clone()
    })?;
    put(REPORT.to_owned(), index.into_bytes());
    if elsewhere {
        let judged: BTreeSet<&str> = assessment.rows.iter().map(|row| row.row.account.as_str()).collect();
        for account in judged {
            let page = account_page(&template, assessment, drawings, &accounts, account, shared.clone())?;
            put(format!("data/{}", page_name(account)), page);
        }
    }
    Ok(())
}

fn account_page(
    template: &minijinja::Template<'_, '_>,
    assessment: &Assessment,
    drawings: &Drawings,
    accounts: &BTreeMap<String, Account>,
    account: &str,
    shared: Shown,
) -> Result<Vec<u8>, ReportError> {
    let documents = Documents::new(assessment, Some(account));
    let rows = Rows::Here { documents: &documents, account: Some(account) };
    let called = super::read::called(accounts, account);
    let page = template.render(context! {
        title => format!("Evidence of {called}"),
        contents => Serde([("verdicts", "Verdicts"), ("networks", "Networks"), ("documents", "Documents")]),
        criteria => Serde(blocks(assessment, accounts, &rows)),
        network => Serde(of_account(drawings, accounts, account)),
        document_list => Serde(documents.list()),
        account => called,
        elsewhere => false,
        ..shared
    })?;
    Ok(page.into_bytes())
}
