"""The policies of the stacks, judged: what the collector asks for is allowed, what nobody may do is denied.

Requests are those that src/store/s3.rs and src/signer/kms.rs send; a test compares the lists. Every denial is asked for
by somebody whose own policy allows everything, so that it is the resource's policy that denies.
"""

import json
import re
import subprocess

import pytest

import emulators
import template
from decision import Request, allowed, applies, holds, judged, like, listed

ROOT = template.DEPLOY.parent
TASK = f"arn:aws:iam::{template.ACCOUNT}:role/evidenced-prod-task"
OTHER = f"arn:aws:iam::{template.ACCOUNT}:role/developer"
READER = "arn:aws:iam::444455556666:role/evidenced-reader"
ROOT_USER = f"arn:aws:iam::{template.ACCOUNT}:root"
BUCKET = "arn:aws:s3:::example-evidence"
ARCHIVE = "999988887777"
ALL_POWER = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ZIP = "v1/bundles/2026/11/22/evidence-prod-20261122T020000Z.zip"
CREATE = {"s3:if-none-match": "*"}

bucket = template.Stack("bucket")
service = template.Stack("service")
BUCKET_POLICY = bucket.properties("BucketPolicy")["PolicyDocument"]
TASK_POLICIES = [service.properties(name)["PolicyDocument"] for name in ("TaskPolicy", "OwnAccountPolicy")]
BUCKET_KEY = bucket.outputs()["BucketKeyArn"]

# Every request of the store: key, action and the condition that src/store/s3.rs sends with it.
STORE = [
    ("v1/trust/root-v1.dsse.json", "s3:PutObject", CREATE), (ZIP, "s3:PutObject", CREATE),
    (ZIP + ".sigstore.json", "s3:PutObject", CREATE), (ZIP + ".tlog-proof", "s3:PutObject", CREATE),
    ("v1/log/tile/entries/000.p/1", "s3:PutObject", CREATE), ("v1/log/checkpoints/1", "s3:PutObject", CREATE),
    ("v1/lease/20261122T020000Z/1", "s3:PutObject", CREATE), ("v1/log/checkpoint", "s3:PutObject", CREATE),
    ("v1/log/checkpoint", "s3:PutObject", {"s3:if-match": '"etag"'}), ("v1/status/prod.json", "s3:PutObject", CREATE),
    ("v1/status/prod.json", "s3:PutObject", {"s3:if-match": '"etag"'}),
    (ZIP, "s3:GetObject", {}), ("v1/log/checkpoint", "s3:GetObject", {}),
]
# What every write may carry, by [store] kms_key_id.
SSE = {"s3:x-amz-server-side-encryption": "aws:kms", "s3:x-amz-server-side-encryption-aws-kms-key-id": BUCKET_KEY}
ASKED = ["s3:ListBucket", "s3:GetBucketPolicy", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration",
         "s3:GetBucketPublicAccessBlock", "s3:GetEncryptionConfiguration"]
OPERATIONS = {"put_object": "s3:PutObject", "get_object": "s3:GetObject", "head_object": "s3:GetObject",
              "list_objects_v2": "s3:ListBucket"}


def of_bucket(principal, action, key="", identity=(ALL_POWER,), owner=ARCHIVE, **context):
    context = {key.replace("__", ":").replace("_", "-"): value for key, value in context.items()}
    return asks(principal, action, key, identity, owner, context)


def asks(principal, action, key, identity, owner, context):
    resource = f"{BUCKET}/{key}" if key else BUCKET
    return allowed(Request(principal, action, resource, context), identity, BUCKET_POLICY, owner)


# ---- the evaluator itself ----------------------------------------------------------------------------------------------

def test_the_evaluator_knows_wildcards_absent_keys_and_negation():
    assert like("s3:Get*", "s3:GetObject") and not like("s3:Get*", "s3:PutObject") and like("a?c", "abc")
    assert not like("arn:aws:s3:::b/log", "arn:aws:s3:::b/logx")
    assert holds({"StringEquals": {"k": ["a", "b"]}}, {"k": "b"}) and not holds({"StringEquals": {"k": "a"}}, {})
    assert holds({"StringNotEquals": {"k": "a"}}, {}) and not holds({"StringNotEquals": {"k": "a"}}, {"k": "a"})
    assert holds({"Null": {"k": "true"}}, {}) and not holds({"Null": {"k": "true"}}, {"k": "x"})
    assert not holds({"Null": {"k": "true", "l": "true"}}, {"l": "x"})
    assert holds({"NumericLessThan": {"v": "1.2"}}, {"v": "1.1"}) and not holds({"NumericLessThan": {"v": "1.2"}}, {})
    prefix = {"StringLikeIfExists": {"p": "v1/*"}}
    assert holds(prefix, {}) and holds(prefix, {"p": "v1/a"}) and not holds(prefix, {"p": "v2/a"})
    with pytest.raises(KeyError):
        holds({"DateLessThan": {"k": "x"}}, {"k": "x"})


def test_the_evaluator_lets_a_denial_win_and_wants_both_sides_across_accounts():
    allow = {"Effect": "Allow", "Principal": {"AWS": ROOT_USER}, "Action": "s3:GetObject", "Resource": "*"}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    request = Request(TASK, "s3:GetObject", BUCKET)
    assert judged([{"Statement": [allow, deny]}], request, True) == "denied"
    assert not allowed(request, (), {"Statement": [allow]}, ARCHIVE)
    assert allowed(request, (ALL_POWER,), {"Statement": [allow]}, ARCHIVE)
    assert not allowed(request, (ALL_POWER,), {"Statement": []}, ARCHIVE)
    assert allowed(request, (ALL_POWER,), {"Statement": []}, template.ACCOUNT)
    assert not allowed(request, (ALL_POWER,), {"Statement": []}, last_word=True), "a key's policy has its word"
    with pytest.raises(AssertionError):
        applies({"Effect": "Allow", "NotAction": "x", "Resource": "*", "Principal": "*"}, request, True)


# ---- the bucket --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key, action, context", STORE)
def test_the_collector_stores_and_reads_in_its_own_and_across_accounts(key, action, context):
    for owner in (template.ACCOUNT, ARCHIVE):
        for more in ({}, SSE) if action == "s3:PutObject" else ({},):
            assert asks(TASK, action, key, TASK_POLICIES, owner, context | more)


@pytest.mark.parametrize("action", ASKED)
def test_the_collector_asks_the_bucket_what_it_is(action):
    assert of_bucket(TASK, action, identity=TASK_POLICIES)


def test_the_lists_above_are_what_the_program_does():
    source = (ROOT / "src/store/s3.rs").read_text(encoding="utf-8").split("#[cfg(test)]")[0]
    sent = set(re.findall(r"(?:\.client|client)\s*\.(\w+)\(\)", source))
    assert sent == set(OPERATIONS)
    assert {OPERATIONS[it] for it in sent} == {it[1] for it in STORE} | {"s3:ListBucket"}
    item = (ROOT / "crates/core/src/item/governance.rs").read_text(encoding="utf-8")
    item = item.split("pub static STORE")[1].split("};")[0]
    assert set(re.findall(r"s3:\w+", item)) | {"s3:ListBucket"} == set(ASKED)
    for word in ("if_none_match", "if_match", "server_side_encryption", "ssekms_key_id", "object_lock_mode"):
        assert word in source


@pytest.mark.parametrize("principal", [TASK, OTHER, template.ADMINISTRATOR, ROOT_USER, READER])
@pytest.mark.parametrize("action, key, context", [
    ("s3:GetObject", ZIP, {"aws:SecureTransport": "false"}), ("s3:ListBucket", "", {"aws:SecureTransport": "false"}),
    ("s3:PutObject", ZIP, CREATE | {"aws:SecureTransport": "false"}),
    ("s3:GetObject", ZIP, {"s3:TlsVersion": "1.1"}), ("s3:PutObject", ZIP, CREATE | {"s3:TlsVersion": "1"}),
    ("s3:PutObject", ZIP, {}), ("s3:PutObject", ZIP, {"s3:if-match": '"etag"'}),
    ("s3:PutObject", "v1/log/checkpoints/1", {}), ("s3:PutObject", "v1/log/checkpointx", {}),
    ("s3:PutObject", "log/checkpoint", {}), ("s3:PutObject", "v1/statusx", {}),
    ("s3:PutObject", "v1/log/checkpoint", {}),
    ("s3:DeleteObject", ZIP, {}), ("s3:DeleteObjectVersion", ZIP, {}), ("s3:DeleteObject", "v1/log/checkpoint", {}),
    ("s3:DeleteBucket", "", {}), ("s3:BypassGovernanceRetention", ZIP, {}), ("s3:PutObjectLegalHold", ZIP, {}),
    ("s3:PutObject", ZIP, CREATE | SSE | {"s3:x-amz-server-side-encryption-aws-kms-key-id": template.KEY}),
    ("s3:PutObject", "v1/status/prod.json", SSE | {"s3:x-amz-server-side-encryption-aws-kms-key-id": "alias/mine"}),
    ("s3:PutObject", ZIP, CREATE | {"s3:x-amz-server-side-encryption": "AES256"}),
    ("s3:PutObject", ZIP, CREATE | {"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}),
])
def test_nobody_does_this_whatever_else_they_may(principal, action, key, context):
    assert not asks(principal, action, key, (ALL_POWER,), template.ACCOUNT, context)


@pytest.mark.parametrize("action", [
    "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketVersioning", "s3:PutBucketObjectLockConfiguration",
    "s3:PutLifecycleConfiguration", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration",
    "s3:PutBucketLogging", "s3:PutReplicationConfiguration", "s3:PutBucketOwnershipControls", "s3:PutBucketAcl",
])
def test_only_the_administrator_changes_the_bucket(action):
    for principal in (TASK, OTHER, READER):
        assert not of_bucket(principal, action, owner=template.ACCOUNT)
    assert of_bucket(template.ADMINISTRATOR, action, owner=template.ACCOUNT)


def test_a_reader_reads_and_nothing_else_and_a_stranger_not_even_that():
    for action, key in (("s3:GetObject", ZIP), ("s3:GetObjectVersion", ZIP), ("s3:ListBucketVersions", "")):
        assert of_bucket(READER, action, key)
        assert not of_bucket("arn:aws:iam::444455556666:role/somebody-else", action, key)
        assert not of_bucket("arn:aws:iam::777777777777:role/evidenced-reader", action, key)
    assert not asks(READER, "s3:PutObject", ZIP, (ALL_POWER,), ARCHIVE, CREATE)


def test_without_a_reader_nobody_beside_the_collector_is_named():
    policy = template.Stack("bucket", ReaderAccountId="").properties("BucketPolicy")["PolicyDocument"]
    named = {json.dumps(it["Principal"]) for it in policy["Statement"] if it["Effect"] == "Allow"}
    assert named == {json.dumps({"AWS": ROOT_USER})}
    assert all(it["Condition"]["ArnEquals"] == {"aws:PrincipalArn": TASK}
               for it in policy["Statement"] if it["Effect"] == "Allow")


def test_the_data_key_is_used_through_the_bucket_only():
    policy = bucket.properties("DataKey")["KeyPolicy"]
    through = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}

    def may(principal, action, context):
        identity = TASK_POLICIES if principal == TASK else (ALL_POWER,)
        # The template of the service is given the key's ARN; here it is that of this stack.
        identity = json.loads(json.dumps(identity).replace(template.KEY, BUCKET_KEY))
        return allowed(Request(principal, action, BUCKET_KEY, context), identity, policy, last_word=True)

    assert may(TASK, "kms:GenerateDataKey", through) and may(TASK, "kms:Decrypt", through)
    assert not may(TASK, "kms:GenerateDataKey", {}) and not may(OTHER, "kms:Decrypt", through)
    assert may(READER, "kms:Decrypt", through) and not may(READER, "kms:GenerateDataKey", through)
    assert not may(OTHER, "kms:ScheduleKeyDeletion", {}) and may(template.ADMINISTRATOR, "kms:PutKeyPolicy", {})


def test_the_access_log_takes_the_log_of_this_bucket_only():
    policy = bucket.properties("AccessLogPolicy")["PolicyDocument"]
    arn = f"{BUCKET}-access-log/access/x"

    def may(source, account, **more):
        context = {"aws:SourceArn": source, "aws:SourceAccount": account} | more
        return allowed(Request("logging.s3.amazonaws.com", "s3:PutObject", arn, context), (), policy)

    assert may(BUCKET, template.ACCOUNT)
    assert not may("arn:aws:s3:::another", template.ACCOUNT) and not may(BUCKET, "777777777777")


# ---- the service -------------------------------------------------------------------------------------------------------

GOOD = {"kms:SigningAlgorithm": "ED25519_SHA_512", "kms:MessageType": "RAW"}


@pytest.mark.parametrize("name", ["EvidenceKey", "LogKey"])
def test_a_signing_key_signs_one_way_and_for_the_task_only(name):
    policy = service.properties(name)["KeyPolicy"]
    arn = f"arn:aws:kms:us-east-1:{template.ACCOUNT}:key/{name}"

    def may(principal, action, context=None, identity=(ALL_POWER,)):
        return allowed(Request(principal, action, arn, context or {}), identity, policy, last_word=True)

    assert may(TASK, "kms:Sign", GOOD, TASK_POLICIES) and may(TASK, "kms:GetPublicKey", {}, TASK_POLICIES)
    for wrong in (
        GOOD | {"kms:SigningAlgorithm": "ED25519_PH_SHA_512"}, GOOD | {"kms:MessageType": "DIGEST"},
        {"kms:SigningAlgorithm": "ED25519_SHA_512"}, {"kms:MessageType": "RAW"}, {},
    ):
        assert not may(TASK, "kms:Sign", wrong)
    for principal in (OTHER, template.ADMINISTRATOR, ROOT_USER):
        assert not may(principal, "kms:Sign", GOOD) and not may(principal, "kms:CreateGrant")
    assert may(OTHER, "kms:GetPublicKey"), "the public half is for whoever makes the trust root"
    for action in ("kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy"):
        assert not may(OTHER, action) and not may(TASK, action) and may(template.ADMINISTRATOR, action)


def test_the_task_enters_the_member_role_of_the_organisation_and_no_other():
    def may(arn, **context):
        context = {"aws:ResourceOrgID": context.get("organisation", "o-abcdefghij")}
        return allowed(Request(TASK, "sts:AssumeRole", arn, context), TASK_POLICIES)

    assert may("arn:aws:iam::777777777777:role/EvidenceReader")
    assert not may("arn:aws:iam::777777777777:role/Administrator")
    assert not may("arn:aws:iam::777777777777:role/EvidenceReader", organisation="o-zzzzzzzzzz")


@pytest.mark.parametrize("action, resource", [
    ("s3:DeleteObject", f"{BUCKET}/{ZIP}"), ("s3:PutObject", "arn:aws:s3:::another/v1/x"),
    ("s3:PutObjectRetention", f"{BUCKET}/{ZIP}"),
    ("s3:PutObject", f"{BUCKET}/elsewhere/x"), ("s3:PutBucketPolicy", BUCKET), ("kms:ScheduleKeyDeletion", "*"),
    ("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/another"), ("ec2:TerminateInstances", "*"),
    ("iam:PassRole", "*"), ("secretsmanager:GetSecretValue", "*"), ("sts:AssumeRole", "*"),
])
def test_the_task_may_not(action, resource):
    assert not allowed(Request(TASK, action, resource, CREATE), TASK_POLICIES)


def test_the_roles_of_the_task_are_for_ecs_of_this_account():
    for name in ("TaskRole", "ExecutionRole"):
        policy = service.properties(name)["AssumeRolePolicyDocument"]
        policy = {"Statement": [it | {"Resource": "*"} for it in policy["Statement"]]}

        def may(principal, account, policy=policy):
            context = {"aws:SourceAccount": account, "aws:SourceArn": f"arn:aws:ecs:us-east-1:{account}:*"}
            return allowed(Request(principal, "sts:AssumeRole", "role", context), (), policy)

        assert may("ecs-tasks.amazonaws.com", template.ACCOUNT)
        assert not may("ecs-tasks.amazonaws.com", "777777777777") and not may("ec2.amazonaws.com", template.ACCOUNT)


# ---- the member role ---------------------------------------------------------------------------------------------------

def test_the_member_role_opens_for_the_collector_with_its_external_id_in_its_organisation():
    role = template.Stack("member-role").properties("Reader")
    policy = {"Statement": [it | {"Resource": "*"} for it in role["AssumeRolePolicyDocument"]["Statement"]]}
    good = {"sts:ExternalId": "external-id-of-a-test", "aws:PrincipalOrgID": "o-abcdefghij"}

    def may(principal, context):
        return allowed(Request(principal, "sts:AssumeRole", "role", context), (ALL_POWER,), policy, last_word=True)

    assert may(TASK, good)
    assert not may(OTHER, good) and not may("arn:aws:iam::777777777777:role/evidenced-prod-task", good)
    for wrong in ({"sts:ExternalId": "another"}, {"aws:PrincipalOrgID": "o-zzzzzzzzzz"}):
        assert not may(TASK, good | wrong)
    for absent in good:
        assert not may(TASK, {key: value for key, value in good.items() if key != absent})


# ---- generated ---------------------------------------------------------------------------------------------------------

def test_the_collectors_policy_is_the_one_that_the_program_prints():
    printed = subprocess.run([emulators.program("evidenced"), "iam-policy"], check=True, capture_output=True).stdout
    policy = json.loads(printed)
    role = template.Stack("member-role").properties("Reader")
    assert role["Policies"][0]["PolicyDocument"] == policy, "run deploy/renew-policies"
    assert service.properties("OwnAccountPolicy")["PolicyDocument"] == policy, "run deploy/renew-policies"
    # An inline policy of a role may have 10,240 characters.
    assert len(json.dumps(policy, separators=(",", ":"))) < 10_240


CONFIGURATION = f"""
scope = "prod"
organisation = "Example Ltd"
schedule = "0 2 * * *"
[store]
url = "s3://example-evidence/v1"
kms_key_id = "{template.KEY}"
[spool]
dir = "/var/lib/evidenced/spool"
[signing]
origin = "evidence.example.com/prod"
evidence_key = "awskms:arn:aws:kms:us-east-1:{template.ACCOUNT}:key/EvidenceKey"
log_key = "awskms:arn:aws:kms:us-east-1:{template.ACCOUNT}:key/LogKey"
[aws.organization]
role = "EvidenceReader"
external_id_env = "EVIDENCED_EXTERNAL_ID"
"""


def test_the_tasks_policy_is_the_one_that_the_program_prints(tmp_path):
    """In one thing the template says more: it names the organisation, where the program says that of the caller."""
    config = tmp_path / "evidenced.toml"
    config.write_text(CONFIGURATION, encoding="utf-8")
    command = [emulators.program("evidenced"), "iam-policy", "--task", "-c", config]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wanted = json.loads(printed.replace("${aws:PrincipalOrgID}", "o-abcdefghij"))["Statement"]
    found = [statement for policy in TASK_POLICIES for statement in policy["Statement"]]

    def plain(statement):
        return {key: sorted(listed(value)) if key in ("Action", "Resource") else value
                for key, value in statement.items()}

    assert [plain(it) for it in found] == [plain(it) for it in wanted]
