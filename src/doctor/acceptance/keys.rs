//! Keys in KMS: of the one kind, they sign the one way, and the other way is refused.
//!
//! What is signed is the doctor's test message. Nothing that could end a key is tried.

use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use evidenced_core::config::KeySource;
use sha2::{Digest as _, Sha512};

use super::{Outcome, Trial, World};
use crate::aws;
use crate::doctor::chain;
use crate::doctor::keys::TEST_MESSAGE;
use crate::signer;

const TEMPLATE: &str = "deploy deploy/service.yaml over it, unchanged: its keys are made for this";

pub(super) async fn check(world: &World<'_>) -> Vec<Outcome> {
    let signing = &world.loaded.config.signing;
    let mut checks = Vec::new();
    for (role, source) in
        [("evidence key", Some(&signing.evidence_key)), ("log key", signing.log_key.as_ref())]
    {
        match source {
            Some(KeySource::Kms(key)) => checks.extend(kms(world, role, key).await),
            Some(KeySource::File(path)) => {
                let trial = Trial::new("key", format!("looked at the {role}"), "a key that never leaves KMS")
                    .of(path);
                checks.push(trial.not_possible(
                    "it is a file: whoever reads it can sign",
                    "[signing] evidence_key and log_key = \"awskms:ARN\" where the daemon runs in AWS",
                ));
            }
            None => {
                let trial = Trial::new("key", format!("looked for the {role}"), "one is configured");
                checks.push(trial.fail("none is configured", "name it in [signing]"));
            }
        }
    }
    checks
}

async fn kms(world: &World<'_>, role: &str, key: &str) -> Vec<Outcome> {
    let kind = Trial::new(
        "key-spec",
        format!("asked for the public half of the {role} (GetPublicKey)"),
        "ECC_NIST_EDWARDS25519 for SIGN_VERIFY",
    );
    let client = match aws::kms(&world.settings, key).await {
        Ok(client) => client,
        Err(error) => {
            return vec![kind.of(key).fail(chain(&error), "check AWS_CA_BUNDLE and [aws] ca_bundle")];
        }
    };
    let mut checks = vec![match client.get_public_key().key_id(key).send().await {
        Ok(answer) => {
            let spec = answer.key_spec().map_or("no spec", KeySpec::as_str);
            let usage = answer.key_usage().map_or("no usage", KeyUsageType::as_str);
            let observed = format!("{spec} for {usage}");
            if (spec, usage) == ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY") {
                kind.of(key).pass(observed)
            } else {
                kind.of(key).fail(observed, TEMPLATE)
            }
        }
        Err(error) => {
            kind.of(key).fail(said(&error), "allow kms:GetPublicKey: `evidenced iam-policy --store`")
        }
    }];
    checks.push(signs(world, role, key).await);
    checks.push(prehashed(&client, role, key).await);
    checks
}

/// The one way: `ED25519_SHA_512` over the message itself, verified as every verifier does.
async fn signs(world: &World<'_>, role: &str, key: &str) -> Outcome {
    let trial = Trial::new(
        "key-signs",
        format!("had the {role} sign a test message with ED25519_SHA_512 over RAW, and verified it"),
        "a signature that verifies",
    );
    let remedy =
        "allow kms:Sign for this role in the key's policy and in its own: `evidenced iam-policy --store`";
    let opened = signer::open(world.loaded, &world.settings, &KeySource::Kms(key.to_owned())).await;
    let signer = match opened {
        Ok(signer) => signer,
        Err(error) => return trial.of(key).fail(chain(&error), remedy),
    };
    let signed = tokio::task::spawn_blocking(move || {
        let signature = signer.sign(TEST_MESSAGE).map_err(|error| chain(&error))?;
        let public = signer.public();
        let verified = public.verify_strict(TEST_MESSAGE, &signature).map_err(|error| chain(&error));
        verified.map(|()| format!("it verifies, key id {}", public.id()))
    });
    match signed.await {
        Ok(Ok(observed)) => trial.of(key).pass(observed),
        Ok(Err(why)) => trial.of(key).fail(why, remedy),
        Err(error) => trial.of(key).fail(chain(&error), remedy),
    }
}

/// Ed25519ph hashes before it signs: what it signs could be a message that nobody saw.
async fn prehashed(client: &aws_sdk_kms::Client, role: &str, key: &str) -> Outcome {
    let trial = Trial::new(
        "key-prehash",
        format!("asked the {role} for ED25519_PH_SHA_512 over the digest of the test message"),
        "AccessDeniedException, by the key's policy",
    )
    .of(key);
    let digest = Sha512::digest(TEST_MESSAGE);
    let sign = client.sign().key_id(key).message(Blob::new(digest.to_vec()));
    let sign =
        sign.message_type(MessageType::Digest).signing_algorithm(SigningAlgorithmSpec::Ed25519PhSha512);
    match sign.send().await {
        Ok(_) => trial.fail(
            "it signed",
            format!(
                "the statements OneAlgorithm and WholeMessages are missing in the key's policy: {TEMPLATE}"
            ),
        ),
        Err(error) => {
            let observed = said(&error);
            let code = error.as_service_error().and_then(|error| error.code());
            match code {
                Some("AccessDeniedException" | "AccessDenied") => trial.pass(observed),
                Some(_) => trial.not_possible(
                    format!("refused, but not by a policy: {observed}"),
                    format!(
                        "read the key's policy: aws kms get-key-policy --key-id {key} --policy-name default --query Policy \
                         --output text   (a Deny of kms:Sign unless kms:SigningAlgorithm is ED25519_SHA_512)"
                    ),
                ),
                None => trial.fail(observed, "check the way to KMS: evidenced doctor --network"),
            }
        }
    }
}

fn said<E>(
    error: &aws_sdk_kms::error::SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
) -> String
where
    E: std::error::Error + aws_sdk_kms::error::ProvideErrorMetadata + Send + Sync + 'static,
{
    match error.as_service_error() {
        Some(answered) => {
            let code = answered.code().unwrap_or("no code");
            format!("{code}: {}", answered.message().unwrap_or_default())
        }
        None => aws::chain(error),
    }
}
