//! The role in every account: entered with the ExternalId, and with it only.
//!
//! Credentials that are handed out against expectation are asked who they are, and dropped.

use std::collections::BTreeMap;

use evidenced_core::plan::Target;
use evidenced_core::run::same_account;
use evidenced_core::source::{FailureKind, Source as _};
use futures_util::stream::{self, StreamExt as _};

use super::{Outcome, Trial, World};
use crate::aws::{self, AssumeRole, AwsSource, Secret};
use crate::doctor::access::{self, said};
use crate::doctor::{LONG, State, chain};

/// Accounts that are tried at once.
const AT_ONCE: usize = 16;
/// What no role's trust policy asks for.
const ANOTHER: &str = "evidenced-doctor-another-external-id";

/// The checks, and whether an organisation says which accounts there are.
pub(super) async fn check(world: &World<'_>) -> (Vec<Outcome>, Accounts) {
    let tried = tokio::time::timeout(LONG, tried(world)).await;
    tried.unwrap_or_else(|_| {
        let trial = Trial::new("member-role", "entered the planned accounts", "each is entered");
        let observed = format!("not all within {} s", LONG.as_secs());
        (vec![trial.fail(observed, "see which does not answer: evidenced doctor")], Accounts::default())
    })
}

/// How many accounts there are, and by what role they are entered.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) role: Option<String>,
}

async fn tried(world: &World<'_>) -> (Vec<Outcome>, Accounts) {
    let mut lines = Vec::new();
    let Some((mut source, _)) = access::identity(world, &mut lines).await else {
        let trial = Trial::new("member-role", "entered the planned accounts", "each is entered");
        return (
            vec![trial.fail("there is no identity to ask with (caller, above)", "see caller")],
            Accounts::default(),
        );
    };
    let (targets, lines) = access::targets(world, &mut source).await;
    let mut checks = Vec::new();
    for line in lines {
        if line.state != State::Skipped {
            let did = "asked which accounts there are (ListAccounts, [[aws.accounts]])";
            checks.push(Trial::new("accounts", did, "they are listed").line(line));
        }
    }
    let planned: Vec<Target> = targets.into_iter().filter(|target| target.excluded.is_none()).collect();
    let roles: BTreeMap<String, AssumeRole> = planned
        .iter()
        .filter_map(|target| Some((target.account.id.clone(), source.role_in(&target.account.id)?)))
        .collect();
    let role = roles.values().next().map(|role| role.role_name.clone());
    // The same accounts and roles, with no ExternalId and with another one.
    let others = async |external_id: Option<Secret>| {
        let accounts = roles.iter().map(|(id, role)| {
            let role = AssumeRole { role_name: role.role_name.clone(), external_id: external_id.clone() };
            (id.clone(), Some(role))
        });
        AwsSource::new(aws::Settings { accounts: accounts.collect(), ..world.settings.clone() }).await
    };
    let (without, wrong) = match (others(None).await, others(Some(Secret::new(ANOTHER))).await) {
        (Ok(without), Ok(wrong)) => (without, wrong),
        (Err(error), _) | (_, Err(error)) => {
            let trial = Trial::new("external-id", "asked STS", "an answer");
            checks.push(trial.fail(chain(&error), "check the credentials"));
            return (checks, Accounts { role });
        }
    };
    let (source, without, wrong, roles) = (&source, &without, &wrong, &roles);
    let found: Vec<Vec<Outcome>> = stream::iter(&planned)
        .map(|target| async move {
            let Some(role) = roles.get(&target.account.id) else { return vec![own(source, target).await] };
            let entered = enter(source, target, role).await;
            let trial = |check, did: &str| {
                let did = format!("assumed role {} {did}", role.role_name);
                Trial::new(check, did, "AccessDenied, by the role's trust policy").of(&target.account.id)
            };
            let none = trial("external-id-missing", "without an ExternalId");
            let other = trial("external-id-wrong", "with another ExternalId");
            vec![entered, refused(without, target, none).await, refused(wrong, target, other).await]
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    checks.extend(found.into_iter().flatten());
    (checks, Accounts { role })
}

/// An account that is entered with the credentials of the daemon itself.
async fn own(source: &AwsSource, target: &Target) -> Outcome {
    let account = &target.account;
    let trial = Trial::new(
        "own-account",
        "asked in the account of the daemon, with its own role",
        "it is that account, and it needs no member role",
    )
    .of(&account.id);
    let principal = source.principal(account).await;
    match principal.and_then(|principal| same_account(account, principal, 0)) {
        Ok(principal) => trial.pass(principal),
        Err(failure) => {
            trial.fail(said(&failure), "give the account a role in [[aws.accounts]], or leave it out")
        }
    }
}

async fn enter(source: &AwsSource, target: &Target, role: &AssumeRole) -> Outcome {
    let account = &target.account;
    let trial = Trial::new(
        "member-role",
        format!("assumed role {} with the ExternalId, and asked in which account that is", role.role_name),
        "credentials of that account",
    )
    .of(&account.id);
    if role.external_id.is_none() {
        return trial.fail(
            "no ExternalId is configured",
            "set external_id_env or external_id_file beside the role: the trust policy must ask for one",
        );
    }
    let principal = source.principal(account).await;
    match principal.and_then(|principal| same_account(account, principal, 0)) {
        Ok(principal) => trial.pass(principal),
        Err(failure) => trial.fail(
            said(&failure),
            "deploy member-role.yaml to the account (its unit is a target of the StackSet?), with this caller and ExternalId",
        ),
    }
}

async fn refused(source: &AwsSource, target: &Target, trial: Trial) -> Outcome {
    match source.principal(&target.account).await {
        Ok(principal) => trial.fail(
            format!("credentials of {principal}"),
            "the trust policy does not ask for sts:ExternalId: deploy member-role.yaml, unchanged",
        ),
        Err(failure) if failure.kind == FailureKind::Denied => trial.pass(said(&failure)),
        Err(failure) => trial.fail(
            format!("{}, which is no refusal by the trust policy", said(&failure)),
            "try again; check the way to STS: evidenced doctor --network",
        ),
    }
}
