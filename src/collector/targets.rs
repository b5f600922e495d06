//! Which accounts a run enters: the caller's own, a list, or every active account of the organisation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use evidenced_core::config::{AccountEntry, ExternalId, Role};
use evidenced_core::plan::Target;
use evidenced_core::source::{Account, Failure};

use super::Loaded;
use super::files::read_text;
use crate::aws::{AssumeRole, AwsSource, Caller, Secret};

/// Longest ExternalId file that is read (an ExternalId has at most 1,224 characters).
const EXTERNAL_ID_BYTES: u64 = 4 << 10;

/// Why it is not known whom to ask.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetsError {
    /// The credentials are refused (exit 6).
    #[error("credentials: GetCallerIdentity failed")]
    Caller(#[source] Failure),
    /// The organisation cannot be read (exit 6).
    #[error("organization: ListAccounts failed")]
    Organization(#[source] Failure),
    /// An ExternalId is configured and cannot be read.
    #[error("external_id_file {path}: cannot be read")]
    ExternalId {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// An ExternalId is configured and not in the environment.
    #[error("external_id_env {name}: is not set, or empty")]
    ExternalIdVariable { name: String },
}

/// Finds the accounts and tells the source how to enter them.
pub(crate) async fn find(loaded: &Loaded, source: &mut AwsSource) -> Result<Vec<Target>, TargetsError> {
    let caller = source.caller().await.map_err(TargetsError::Caller)?;
    let aws = &loaded.config.aws;
    let mut targets: BTreeMap<String, Target> = BTreeMap::new();
    let mut roles: BTreeMap<String, Option<AssumeRole>> = BTreeMap::new();
    if let Some(organization) = &aws.organization {
        let role = assume(loaded, &organization.role)?;
        for member in source.list_accounts().await.map_err(TargetsError::Organization)? {
            let mut target = target(&caller, &member.id, aws.accounts.get(&member.id));
            if target.account.name.is_empty() {
                target.account.name = member.name;
            }
            if member.status != "ACTIVE" {
                let status = if member.status.is_empty() { "of unknown state" } else { &member.status };
                target.excluded.get_or_insert(format!("the organisation lists the account as {status}"));
            }
            // The management account has no member role of its own making: it is entered as the caller.
            let own = member.id == caller.account;
            roles.insert(member.id.clone(), (!own).then(|| role.clone()));
            targets.insert(member.id, target);
        }
    }
    for (id, entry) in &aws.accounts {
        if let Some(role) = &entry.role {
            roles.insert(id.clone(), Some(assume(loaded, role)?));
        }
        targets.entry(id.clone()).or_insert_with(|| target(&caller, id, Some(entry)));
        roles.entry(id.clone()).or_insert(None);
    }
    if targets.is_empty() {
        roles.insert(caller.account.clone(), None);
        targets.insert(caller.account.clone(), target(&caller, &caller.account, None));
    }
    source.enter(roles);
    Ok(targets.into_values().collect())
}

fn target(caller: &Caller, id: &str, entry: Option<&AccountEntry>) -> Target {
    Target {
        account: Account {
            id: id.to_owned(),
            name: entry.and_then(|entry| entry.name.clone()).unwrap_or_default(),
            partition: caller.partition.clone(),
        },
        in_scope: entry.is_none_or(|entry| entry.in_scope),
        owner: entry.and_then(|entry| entry.owner.clone()),
        excluded: entry.and_then(|entry| entry.excluded.clone()),
    }
}

fn assume(loaded: &Loaded, role: &Role) -> Result<AssumeRole, TargetsError> {
    let external_id = match &role.external_id {
        None => None,
        Some(ExternalId::File(file)) => {
            let path = loaded.resolve(file);
            let text = read_text(&path, EXTERNAL_ID_BYTES)
                .map_err(|source| TargetsError::ExternalId { path, source })?;
            Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
        }
        // Without it the role would be assumed under a weaker condition than the one that was configured.
        Some(ExternalId::Variable(name)) => match std::env::var(name) {
            Ok(value) if !value.is_empty() => Some(Secret::new(value)),
            _ => return Err(TargetsError::ExternalIdVariable { name: name.clone() }),
        },
    };
    Ok(AssumeRole { role_name: role.name.clone(), external_id })
}
