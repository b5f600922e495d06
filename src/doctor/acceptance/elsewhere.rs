//! What this program has no client for: the commands of the AWS CLI that show it, with this deployment's names.

use evidenced_core::config::KeySource;

use super::members::Accounts;
use super::{Outcome, Trial, World};

const WHY: &str = "the role of the daemon may not ask for it, and should not";

/// What is to be shown with the AWS CLI.
pub(super) fn checks(world: &World<'_>, accounts: Accounts) -> Vec<Outcome> {
    let scope = &world.loaded.config.scope;
    let mut checks = Vec::new();
    if world.loaded.config.aws.organization.is_some() {
        let role = accounts.role.unwrap_or_else(|| "EvidenceReader".to_owned());
        checks.push(
            Trial::new(
                "stack-set",
                "nothing",
                "a new account of the units gets the role by itself, and no account drifted from the template",
            )
            .not_possible(
                WHY,
                format!(
                    "as the administrator of the StackSet: aws cloudformation describe-stack-set --stack-set-name \
                     evidenced-member-role --query 'StackSet.[AutoDeployment,Status]'; aws cloudformation \
                     list-stack-instances --stack-set-name evidenced-member-role --query \
                     'Summaries[].[Account,StackInstanceStatus.DetailedStatus]' --output text; then move a test account \
                     into a unit and see that {role} appears in it"
                ),
            ),
        );
    }
    checks.push(
        Trial::new("metrics", "nothing", "CloudWatch makes metrics of the lines that the daemon prints").not_possible(
            WHY,
            format!(
                "after the first run: aws cloudwatch list-metrics --namespace evidenced --dimensions \
                 Name=scope,Value={scope} --query 'Metrics[].MetricName' --output text   (Stored, GapsNew and others)"
            ),
        ),
    );
    checks.push(
        Trial::new("alarms", "nothing", "every alarm reaches a person").not_possible(
            WHY,
            format!(
                "aws cloudwatch set-alarm-state --alarm-name evidenced-{scope}-no-successful-run --state-value ALARM \
                 --state-reason acceptance   (the mail arrives within a minute; the next run sets it back)"
            ),
        ),
    );
    checks.push(
        Trial::new("one-task", "nothing", "the service replaces its task by stopping it first").not_possible(
            WHY,
            format!(
                "aws ecs describe-services --cluster evidenced-{scope} --services evidenced-{scope} --query \
                 'services[0].[desiredCount,deploymentConfiguration.maximumPercent,enableExecuteCommand]' --output text   \
                 (1 100 False)"
            ),
        ),
    );
    let signing = &world.loaded.config.signing;
    for key in [Some(&signing.evidence_key), signing.log_key.as_ref()].into_iter().flatten() {
        if let KeySource::Kms(key) = key {
            checks.push(
                Trial::new(
                    "others-sign",
                    "nothing",
                    "nobody but the daemon's role signs, administrators neither",
                )
                .of(key)
                .not_possible(
                    "it is tried with credentials that are not the daemon's",
                    format!(
                        "as an administrator of the account: aws kms sign --key-id {key} --message dGVzdA== \
                             --message-type RAW --signing-algorithm ED25519_SHA_512   (it must end with \
                             AccessDeniedException)"
                    ),
                ),
            );
        }
    }
    checks
}
