//! `evidenced diff A B`: what two bundles differ in, for people.
//!
//! Both are verified first. What was asked and how it was judged stands apart from what changed in the estate. Order in
//! AWS's lists, request ids and times of collection are no difference. What is long is counted here and complete in
//! `--json`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use evidenced_bundle::check::printable;
use evidenced_core::assessment::Assessment;
use evidenced_core::difference::{Difference, Member, Place, Run, Setting, Side, Thing, difference};
use evidenced_core::facts::Facts;
use serde_json::Value;

use super::exit::Failed;
use super::genuine::{Believed, Genuine};
use super::print;

/// Resources of an item, verdicts of a check, and members of a resource that are shown.
const SHOWN: usize = 12;
/// Characters of a value that are shown.
const VALUE: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The earlier bundle.
    #[arg(value_name = "BUNDLE_A")]
    before: PathBuf,
    /// The later bundle.
    #[arg(value_name = "BUNDLE_B")]
    after: PathBuf,
    /// For programs, with everything.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    believed: Believed,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let judge = arguments.believed.judge()?;
    let mut earlier = judge.open(&arguments.before)?;
    let mut later = judge.open(&arguments.after)?;
    let (before, after) = (read(&mut earlier)?, read(&mut later)?);
    let found = difference(&before, &after, |side, path| match side {
        Side::Before => earlier.document(path),
        Side::After => later.document(path),
    })?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&found).map_err(std::io::Error::from)?;
        return print(format!("{text}\n").as_bytes());
    }
    print(told(&found, &names(&after.facts)).as_bytes())
}

fn read(bundle: &mut Genuine) -> Result<Run, Failed> {
    let files = bundle.files()?;
    let facts = Facts::read(&files)?;
    let assessment =
        if files.contains_key("data/checks.json") { Some(Assessment::read(&files)?) } else { None };
    Ok(Run { id: bundle.id(), facts, assessment })
}

fn names(facts: &Facts) -> BTreeMap<String, String> {
    let accounts =
        facts.plan.get("accounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |account: &Value, name: &str| {
        account.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    accounts.iter().map(|account| (text(account, "id"), text(account, "name"))).collect()
}

struct Page(String);

impl Page {
    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a String cannot fail. What a bundle says must not write to the terminal.
        writeln!(self.0, "{}{}", "  ".repeat(depth), printable(text)).unwrap_or_default();
    }

    fn blank(&mut self) {
        self.0.push('\n');
    }

    /// The first of many, and how many more there are.
    fn some<T>(&mut self, depth: usize, list: &[T], mut one: impl FnMut(&mut Self, &T)) {
        for entry in list.iter().take(SHOWN) {
            one(self, entry);
        }
        if let Some(more) = list.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            self.line(depth, &format!("... and {more} more: --json has them"));
        }
    }
}

fn told(found: &Difference, names: &BTreeMap<String, String>) -> String {
    let id = |value: &Value| value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut page = Page(String::new());
    page.line(0, &format!("{} -> {}", id(&found.before), id(&found.after)));
    if found.is_empty() {
        page.line(0, "no difference");
    }
    for (title, settings) in
        [("What was asked differs", &found.scope), ("How it was judged differs", &found.policy)]
    {
        if !settings.is_empty() {
            page.blank();
            page.line(0, title);
            page.some(1, settings, |page, setting| page.line(1, &changed_setting(setting)));
        }
    }
    if !found.cells.is_empty() {
        page.blank();
        page.line(0, "What could be read differs");
        page.some(1, &found.cells, |page, cell| {
            let word = |status: &Option<String>| status.clone().unwrap_or_else(|| "not planned".to_owned());
            let place = format!("{} {} {}", cell.account, cell.region, cell.item);
            page.line(1, &format!("{place}: {} -> {}", word(&cell.before), word(&cell.after)));
        });
    }
    estate(&mut page, &found.places, names);
    verdicts(&mut page, found);
    page.0
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(VALUE).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { text }
}

fn changed_setting(setting: &Setting) -> String {
    change(&setting.what, setting.before.as_ref(), setting.after.as_ref())
}

fn change(what: &str, before: Option<&Value>, after: Option<&Value>) -> String {
    match (before, after) {
        (Some(one), Some(other)) => format!("{what}: {} -> {}", shown(one), shown(other)),
        (None, Some(value)) => format!("{what}: added {}", shown(value)),
        (Some(value), None) => format!("{what}: removed {}", shown(value)),
        (None, None) => what.to_owned(),
    }
}

fn thing(sign: char, thing: &Thing) -> String {
    let name = if thing.name.is_empty() { String::new() } else { format!(" \"{}\"", thing.name) };
    format!("{sign} {} {}{name}", thing.kind, thing.id).trim_end().to_owned()
}

fn estate(page: &mut Page, places: &[Place], names: &BTreeMap<String, String>) {
    if places.is_empty() {
        return;
    }
    let count = |of: fn(&Place) -> usize| places.iter().map(of).sum::<usize>();
    page.blank();
    page.line(
        0,
        &format!(
            "The estate: {} added, {} removed, {} changed",
            count(|place| place.documents.added.len()),
            count(|place| place.documents.removed.len()),
            count(|place| place.documents.changed.len())
        ),
    );
    let mut last = None;
    for Place { account, region, item, documents } in places {
        if last != Some((account, region)) {
            let name = names.get(account).map(String::as_str).unwrap_or_default();
            page.line(1, &format!("{account} {name} {region}"));
            last = Some((account, region));
        }
        page.line(2, item);
        page.some(3, &documents.unread, |page, unread| {
            let said = |code: &Option<String>| code.clone().unwrap_or_else(|| "answered".to_owned());
            page.line(
                3,
                &format!(
                    "? {}: {} -> {}: not compared",
                    unread.call,
                    said(&unread.before),
                    said(&unread.after)
                ),
            );
        });
        page.some(3, &documents.added, |page, it| page.line(3, &thing('+', it)));
        page.some(3, &documents.removed, |page, it| page.line(3, &thing('-', it)));
        page.some(3, &documents.changed, |page, changed| {
            page.line(3, &thing('~', &changed.thing));
            page.some(5, &changed.members, |page, Member { pointer, before, after }| {
                page.line(5, &change(pointer, before.as_ref(), after.as_ref()));
            });
        });
    }
}

fn verdicts(page: &mut Page, found: &Difference) {
    if let Some(why) = &found.not_compared {
        page.blank();
        page.line(0, &format!("Verdicts are not compared: {why}"));
    }
    if found.verdicts.is_empty() {
        return;
    }
    let mut to: BTreeMap<&str, usize> = BTreeMap::new();
    for turn in &found.verdicts {
        *to.entry(turn.after.unwrap_or("gone")).or_insert(0) += 1;
    }
    let to: Vec<String> = to.into_iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    page.blank();
    page.line(0, &format!("Verdicts that turned: {}", to.join(", ")));
    let mut by_check: BTreeMap<(&str, &str, &str, &str), Vec<&evidenced_core::difference::Turn>> =
        BTreeMap::new();
    for turn in &found.verdicts {
        let (before, after) = (turn.before.unwrap_or("none"), turn.after.unwrap_or("gone"));
        by_check.entry((&turn.check, before, after, turn.cause)).or_default().push(turn);
    }
    for ((check, before, after, cause), turns) in by_check {
        page.line(1, &format!("{check}: {before} -> {after}, by the {cause}: {}", turns.len()));
        page.some(2, &turns, |page, turn| {
            let resource = turn.resource.as_deref().unwrap_or("(the whole population)");
            page.line(2, &format!("{} {} {resource}: {}", turn.account, turn.region, turn.reason));
        });
    }
}
