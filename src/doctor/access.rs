//! Who we are, which accounts we enter, and whether their regions answer.
//!
//! Each account is entered as a run enters it. A region is asked once for each service that the catalogue asks there,
//! by the first account that plans it, with a call that lists a page at most.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_core::collect::{Cell, Context, collect};
use evidenced_core::item::{GLOBAL, catalogue};
use evidenced_core::pattern::matches;
use evidenced_core::plan::{self, Known, Target};
use evidenced_core::redact::Redactor;
use evidenced_core::run::same_account;
use evidenced_core::shape::{Offer, Partitions, Shapes};
use evidenced_core::snapshot::{Row, Status};
use evidenced_core::source::{Account, Failure, FailureKind, Request, Source as _};
use evidenced_core::wire;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value};

use super::{Line, World, chain, network};
use crate::aws::{AwsSource, Caller};
use crate::collector::{self, Loaded, TargetsError};

/// Accounts or regions that are asked at once.
const AT_ONCE: usize = 16;
/// Actions that are named before the rest is counted.
const NAMED: usize = 5;
/// The item that the plan is made from.
const REGIONS: &str = "account.regions";

/// The call that is made for each service: one that the catalogue makes, for a page as short as it gets.
const PROBES: [(&str, &str, &str); 6] = [
    ("ec2", "DescribeVpcs", r#"{"MaxResults":5}"#),
    ("elbv2", "DescribeLoadBalancers", r#"{"PageSize":1}"#),
    ("wafv2", "ListWebACLs", r#"{"Scope":"REGIONAL","Limit":1}"#),
    ("acm", "ListCertificates", r#"{"MaxItems":1}"#),
    ("config", "DescribeConfigurationRecorders", "{}"),
    ("s3", "ListBuckets", "{}"),
];

/// An account that was tried.
struct Tried {
    target: Target,
    line: Line,
    /// Who we are in it; none: it cannot be entered.
    principal: Option<String>,
    regions: Vec<String>,
}

/// Identity, organisation, accounts, regions, permissions; and the endpoints, where that is wished.
pub(super) async fn check(world: &World<'_>, with_network: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut regions, mut partition) = (None, None);
    match identity(world, &mut lines).await {
        Some((mut source, caller)) => {
            partition = Some(caller.partition.clone());
            let (targets, found) = targets(world, &mut source).await;
            lines.extend(found);
            let tables = (Shapes::embedded(), Partitions::embedded());
            if let (Ok(shapes), Ok(partitions)) = &tables {
                let tried = accounts(world, &source, shapes, partitions, targets).await;
                lines.extend(tried.iter().map(|tried| tried.line.clone()));
                lines.extend(answering(world, &source, shapes, partitions, &tried).await);
                lines.extend(permissions(world.loaded, &source, &caller, &tried).await);
                let all: BTreeSet<String> = tried.into_iter().flat_map(|tried| tried.regions).collect();
                regions = (!all.is_empty()).then_some(all);
            } else {
                lines.push(Line::missing(
                    "accounts",
                    "the tables in this program are damaged",
                    "install it again",
                ));
            }
        }
        None => {
            for check in ["organization", "accounts", "regions", "permissions"] {
                lines.push(Line::skipped(check, "there is no identity to ask with"));
            }
        }
    }
    if with_network {
        lines.extend(network::check(world, partition.as_deref(), regions).await);
    }
    lines
}

pub(super) async fn identity(world: &World<'_>, lines: &mut Vec<Line>) -> Option<(AwsSource, Caller)> {
    const CHECK: &str = "identity";
    let source = match AwsSource::new(world.settings.clone()).await {
        Ok(source) => source,
        Err(error) => {
            let remedy =
                "set AWS_PROFILE, use --profile, or run where a role is attached; check AWS_CA_BUNDLE";
            lines.push(Line::missing(CHECK, chain(&error), remedy));
            return None;
        }
    };
    match source.caller().await {
        Ok(caller) => {
            lines.push(Line::ok(CHECK, caller.arn.clone()));
            Some((source, caller))
        }
        Err(failure) => {
            let remedy = match failure.kind {
                FailureKind::Credentials => "sign in again, or replace the credentials",
                _ => "check the credentials, the clock, and the way to the endpoint of STS",
            };
            lines.push(Line::missing(CHECK, said(&failure), remedy));
            None
        }
    }
}

/// The accounts of a run. Where the organisation cannot be read, those that the configuration names.
pub(super) async fn targets(world: &World<'_>, source: &mut AwsSource) -> (Vec<Target>, Vec<Line>) {
    const CHECK: &str = "organization";
    let organization = world.loaded.config.aws.organization.is_some();
    match collector::find_targets(world.loaded, source).await {
        Ok(targets) if organization => {
            let active = targets.iter().filter(|target| target.excluded.is_none()).count();
            let detail = format!("{} accounts are listed, {active} of them are collected", targets.len());
            (targets, vec![Line::ok(CHECK, detail)])
        }
        Ok(targets) => (targets, vec![Line::skipped(CHECK, "no [aws.organization] is configured")]),
        Err(TargetsError::Organization(failure)) => {
            let remedy = "allow organizations:ListAccounts and run in the management or a delegated account, or list \
                          [[aws.accounts]]";
            let line = Line::missing(CHECK, said(&failure), remedy);
            let mut config = world.loaded.config.clone();
            config.aws.organization = None;
            let alone =
                Loaded { config, folder: world.loaded.folder.clone(), path: world.loaded.path.clone() };
            let targets = collector::find_targets(&alone, source).await.unwrap_or_default();
            (targets, vec![line])
        }
        Err(error) => {
            let remedy = "[aws] names a file that can be read; paths are relative to the configuration";
            (Vec::new(), vec![Line::missing("accounts", chain(&error), remedy)])
        }
    }
}

/// Enters every account, and asks which regions it has.
async fn accounts(
    world: &World<'_>,
    source: &AwsSource,
    shapes: &Shapes,
    partitions: &Partitions,
    targets: Vec<Target>,
) -> Vec<Tried> {
    let mut tried: Vec<Tried> = stream::iter(targets)
        .map(|target| enter(world, source, shapes, partitions, target))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    tried.sort_by(|a, b| a.target.account.id.cmp(&b.target.account.id));
    tried
}

async fn enter(
    world: &World<'_>,
    source: &AwsSource,
    shapes: &Shapes,
    partitions: &Partitions,
    target: Target,
) -> Tried {
    const CHECK: &str = "account";
    let account = target.account.clone();
    let named =
        if account.name.is_empty() { account.id.clone() } else { format!("{} {}", account.id, account.name) };
    let (line, principal, regions) = if let Some(why) = &target.excluded {
        (Line::skipped(CHECK, format!("left out: {why}")), None, Vec::new())
    } else {
        let principal = source.principal(&account).await;
        match principal.and_then(|principal| same_account(&account, principal, 0)) {
            Ok(principal) => {
                let (regions, line) = regions(world, source, shapes, partitions, &account, &principal).await;
                (line, Some(principal), regions)
            }
            Err(failure) => {
                let remedy = match role(world.loaded, &account.id) {
                    Some(role) => format!(
                        "the trust policy of role {role} in the account names who asks (identity, above) and the \
                         ExternalId; our policy allows sts:AssumeRole on it: `evidenced iam-policy --task`"
                    ),
                    None => "give the account a role in [[aws.accounts]]".to_owned(),
                };
                (Line::missing(CHECK, said(&failure), remedy), None, Vec::new())
            }
        }
    };
    Tried { target, line: line.of(named), principal, regions }
}

/// The role by which an account is entered, as configured.
fn role<'a>(loaded: &'a Loaded, account: &str) -> Option<&'a str> {
    let aws = &loaded.config.aws;
    let own = aws.accounts.get(account).and_then(|entry| entry.role.as_ref());
    own.or(aws.organization.as_ref().map(|organization| &organization.role)).map(|role| role.name.as_str())
}

async fn regions(
    world: &World<'_>,
    source: &AwsSource,
    shapes: &Shapes,
    partitions: &Partitions,
    account: &Account,
    principal: &str,
) -> (Vec<String>, Line) {
    const CHECK: &str = "account";
    let redactor = Redactor::new(&[]);
    let context = Context { source, shapes, redactor: &redactor, raw: false };
    let home = source.home_region().to_owned();
    let Some(item) = catalogue().into_iter().find(|item| item.id == REGIONS) else {
        return (Vec::new(), Line::missing(CHECK, "the catalogue does not list regions", "install it again"));
    };
    let cell = Cell { account, principal, region: GLOBAL, home: &home, known_enabled: true, item };
    let collected = collect(&context, cell).await;
    let read = collected.first_output.as_deref().and_then(Known::from_output);
    let wanted = &world.loaded.config.aws.regions;
    let planned = |known: &Known| -> Vec<String> {
        plan::regions(known, wanted).into_iter().filter(|it| it.planned).map(|it| it.name).collect()
    };
    if let Some(known) = read {
        let regions = planned(&known);
        let detail = format!("{principal}, {} region(s)", regions.len());
        return (regions, Line::ok(CHECK, detail));
    }
    let why = collected
        .error
        .map_or("no list of regions".to_owned(), |error| format!("{}: {}", error.code, error.message));
    let of = partitions.partition(&account.partition);
    let partition = of.map(|it| it.regions.iter().cloned().collect()).unwrap_or_default();
    let regions = planned(&Known::Unread { reason: why.clone(), partition });
    let detail = format!("{principal} is entered, but DescribeRegions fails: {why}");
    (regions, Line::missing(CHECK, detail, "allow what `evidenced iam-policy` prints to the role"))
}

/// What an answer of a region says.
enum Answered {
    Good,
    /// There, and it refuses.
    Refused(String),
    /// Not there.
    Silent(String),
}

/// Whether each planned region answers for each service.
async fn answering(
    world: &World<'_>,
    source: &AwsSource,
    shapes: &Shapes,
    partitions: &Partitions,
    tried: &[Tried],
) -> Vec<Line> {
    let mut first: BTreeMap<&str, &Account> = BTreeMap::new();
    for tried in tried.iter().filter(|tried| tried.principal.is_some()) {
        for region in &tried.regions {
            first.entry(region).or_insert(&tried.target.account);
        }
    }
    if first.is_empty() {
        return vec![Line::skipped("regions", "no account could be entered")];
    }
    let services = services(&world.loaded.config.collect.items);
    let lines: Vec<Line> = stream::iter(first)
        .map(|(region, account)| {
            let services = &services;
            async move {
                let offered = |service: &str| {
                    let partition = partitions.partition(&account.partition);
                    partition.is_none_or(|it| it.offer(service, region) != Offer::NotOffered)
                };
                let probes =
                    PROBES.iter().filter(|(service, ..)| services.contains(service) && offered(service));
                let asked = probes
                    .map(|probe| async { (probe.0, ask(source, shapes, account, region, probe).await) });
                let answers = futures_util::future::join_all(asked).await;
                line(world, account, region, answers)
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    lines
}

/// The services that the selected items ask.
fn services(items: &[String]) -> BTreeSet<&'static str> {
    let selected = catalogue().into_iter().filter(|item| items.iter().any(|it| matches(it, item.id)));
    selected.flat_map(|item| item.steps).map(|step| step.service).collect()
}

fn line(world: &World<'_>, account: &Account, region: &str, answers: Vec<(&str, Answered)>) -> Line {
    const CHECK: &str = "region";
    let (mut good, mut bad, mut silent) = (Vec::new(), Vec::new(), false);
    for (service, answer) in answers {
        match answer {
            Answered::Good => good.push(service.to_owned()),
            Answered::Refused(why) => bad.push(format!("{service}: {why}")),
            Answered::Silent(why) => {
                silent = true;
                bad.push(format!("{service}: {why}"));
            }
        }
    }
    let line = if bad.is_empty() {
        Line::ok(CHECK, format!("{} answered account {}", good.join(", "), account.id))
    } else {
        // A region that is denied on purpose is an accepted gap: of any item, as far as this check can know.
        let row = Row::unasked(&account.id, region, "*", Status::Denied, "");
        let accepted = world
            .loaded
            .config
            .accepted_gaps
            .iter()
            .any(|gap| gap.item == "*" && gap.covers(&row, world.time.now()).is_some());
        let detail = format!("as account {}: {}", account.id, bad.join("; "));
        match (accepted, silent) {
            (true, _) => Line::warn(CHECK, detail, "nothing: an accepted gap covers it"),
            (false, true) => Line::missing(
                CHECK,
                detail,
                "open the way to the endpoints of the region (evidenced doctor --network), or leave it out of [aws] regions",
            ),
            (false, false) => Line::missing(
                CHECK,
                detail,
                "allow what `evidenced iam-policy` prints, or accept the gap in [[accepted_gaps]] where a policy of the \
                 organisation denies the region on purpose",
            ),
        }
    };
    line.of(region)
}

async fn ask(
    source: &AwsSource,
    shapes: &Shapes,
    account: &Account,
    region: &str,
    probe: &(&'static str, &'static str, &'static str),
) -> Answered {
    let (service, operation, parameters) = *probe;
    let parameters: Map<String, Value> = serde_json::from_str(parameters).unwrap_or_default();
    let request = Request { service, operation, region: region.to_owned(), parameters };
    match source.page(account, &request).await {
        Ok(page) if page.status < 300 => Answered::Good,
        Ok(page) => match shapes.service(service) {
            Some(table) => {
                let error = wire::service_error(table, &page);
                Answered::Refused(format!("{}: {}", error.code, error.message))
            }
            None => Answered::Refused(format!("status {}", page.status)),
        },
        Err(failure) if failure.kind == FailureKind::NotOffered => Answered::Good,
        Err(failure) => Answered::Silent(said(&failure)),
    }
}

/// What IAM says of the catalogue's actions, where it may be asked.
async fn permissions(loaded: &Loaded, source: &AwsSource, caller: &Caller, tried: &[Tried]) -> Vec<Line> {
    const CHECK: &str = "permissions";
    let actions: BTreeSet<&str> = catalogue()
        .into_iter()
        // The regions are asked for whatever is selected: the plan is made from them.
        .filter(|item| {
            item.id == REGIONS || loaded.config.collect.items.iter().any(|it| matches(it, item.id))
        })
        .flat_map(|item| item.steps)
        .flat_map(|step| step.iam)
        .copied()
        .collect();
    let actions: Vec<&str> = actions.into_iter().collect();
    let entered = tried.iter().filter_map(|tried| Some((&tried.target.account, tried.principal.as_deref()?)));
    let actions = &actions;
    let lines: Vec<Line> = stream::iter(entered)
        .map(|(account, principal)| async move {
            // The caller's own account is entered as the caller, whatever role the organisation has elsewhere.
            let configured = if principal == caller.arn { None } else { role(loaded, &account.id) };
            let Some(policy_source) = policies_of(principal, account, configured) else {
                return Line::skipped(CHECK, format!("{principal} has no policies that IAM simulates"))
                    .of(&account.id);
            };
            match source.simulate(account, &policy_source, actions).await {
                Ok(decisions) => {
                    let denied: Vec<&str> = actions
                        .iter()
                        .filter(|action| !decisions.iter().any(|it| it.action == **action && it.is_allowed()))
                        .copied()
                        .collect();
                    decided(&policy_source, actions.len(), &denied)
                }
                Err(failure) => Line::skipped(
                    CHECK,
                    format!("not simulated (it needs iam:SimulatePrincipalPolicy): {}", said(&failure)),
                ),
            }
            .of(&account.id)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    if lines.is_empty() { vec![Line::skipped(CHECK, "no account could be entered")] } else { lines }
}

fn decided(who: &str, all: usize, denied: &[&str]) -> Line {
    const CHECK: &str = "permissions";
    if denied.is_empty() {
        return Line::ok(CHECK, format!("{who}: all {all} actions of the catalogue are allowed"));
    }
    let more = denied.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let named: Vec<&str> = denied.iter().take(NAMED).copied().collect();
    let detail = format!("{who}: {} of {all} actions are denied: {}{more}", denied.len(), named.join(", "));
    Line::missing(CHECK, detail, "give the role the policy that `evidenced iam-policy` prints")
}

/// Whose policies are simulated: the user, or the role behind a session. The session does not say the role's path.
fn policies_of(principal: &str, account: &Account, configured: Option<&str>) -> Option<String> {
    let Account { id, partition, .. } = account;
    let resource = principal.splitn(6, ':').nth(5)?;
    if let Some(role) = configured {
        return Some(format!("arn:{partition}:iam::{id}:role/{role}"));
    }
    if let Some(session) = resource.strip_prefix("assumed-role/") {
        return Some(format!("arn:{partition}:iam::{id}:role/{}", session.split('/').next()?));
    }
    resource.starts_with("user/").then(|| principal.to_owned())
}

pub(super) fn said(failure: &Failure) -> String {
    format!("{}: {}", failure.code, failure.message)
}

/// The services that are asked in regions, for the list of endpoints.
pub(super) fn regional_services(items: &[String]) -> BTreeSet<&'static str> {
    services(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_catalogue_has_a_probe_that_the_catalogue_calls_itself() {
        for item in catalogue() {
            for step in item.steps {
                assert!(PROBES.iter().any(|probe| probe.0 == step.service), "{}", step.service);
            }
        }
        for (service, operation, parameters) in PROBES {
            let calls =
                |step: &&evidenced_core::item::Step| step.service == service && step.operation == operation;
            assert!(catalogue().iter().flat_map(|item| item.steps).any(|step| calls(&step)), "{operation}");
            assert!(serde_json::from_str::<Map<String, Value>>(parameters).is_ok(), "{parameters}");
        }
    }

    #[test]
    fn a_session_is_simulated_as_its_role_and_the_root_user_not_at_all() {
        let account = Account { id: "111122223333".into(), name: String::new(), partition: "aws".into() };
        for (principal, configured, expected) in [
            ("arn:aws:iam::111122223333:user/a/me", None, Some("arn:aws:iam::111122223333:user/a/me")),
            (
                "arn:aws:sts::111122223333:assumed-role/Task/s",
                None,
                Some("arn:aws:iam::111122223333:role/Task"),
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/Reader/s",
                Some("audit/Reader"),
                Some("arn:aws:iam::111122223333:role/audit/Reader"),
            ),
            ("arn:aws:iam::111122223333:root", None, None),
        ] {
            assert_eq!(policies_of(principal, &account, configured).as_deref(), expected, "{principal}");
        }
    }

    #[test]
    fn denied_actions_are_named_and_counted() {
        let denied = ["a:A", "a:B", "a:C", "a:D", "a:E", "a:F", "a:G"];
        let line = decided("me", 9, &denied);
        assert_eq!(line.detail, "me: 7 of 9 actions are denied: a:A, a:B, a:C, a:D, a:E and 2 more");
        assert_eq!(decided("me", 9, &[]).detail, "me: all 9 actions of the catalogue are allowed");
    }
}
