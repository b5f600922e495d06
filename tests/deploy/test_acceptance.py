"""`evidenced doctor --acceptance` by the task's own role, in an account that judges every request by the shipped policies.

The stacks are deployed as they are to ministack in its strict form (signatures, roles, bucket and key policies, trust
with ExternalId; TLS and plain HTTP). What its CloudFormation drops is set by API from the template's own values:
`test_stacks.DROPPED`. Then one promise at a time is broken, and the check of that name fails.
"""

import base64
import contextlib
import http.server
import itertools
import json
import os
import subprocess
import threading

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import emulators
import template
from tls import certificate

AUDIT, MEMBER = emulators.STRICT_ACCOUNT, "444455556666"
DEPLOYER = f"arn:aws:iam::{AUDIT}:role/deployer"
EXTERNAL_ID = template.GIVEN["member-role"]["ExternalId"]
NUMBERS = itertools.count(1)
# A developer's machine, where the tests run, is no task: root, with a root folder that it may write.
HERE = {"user", "read-only-root"} if os.geteuid() == 0 else set()
NOT_POSSIBLE = {"metrics", "alarms", "one-task", "others-sign"}


class Account:
    """The deployed stacks, and the credentials of the task."""

    def __init__(self, server, authority):
        self.server, self.authority = server, authority
        self.org = self.client("organizations").describe_organization()["Organization"]["Id"]
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.87.0.0/24")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.87.0.0/26")["Subnet"]["SubnetId"]
        self.bucket = self.deploy("bucket", WriterAccountId=AUDIT, LockMode="COMPLIANCE", AdministratorRoleArn=DEPLOYER)
        self.service = self.deploy(
            "service", VpcId=vpc, VpcCidr="10.87.0.0/24", SubnetIds=subnet, BucketName=self.bucket["BucketName"],
            BucketKeyArn=self.bucket["BucketKeyArn"], OrganizationId=self.org, KeyAdministratorRoleArn=DEPLOYER,
        )
        self.deploy("member-role", MEMBER, CollectorRoleArn=self.service["TaskRoleArn"], OrganizationId=self.org)
        self.name = self.bucket["BucketName"]
        self.policy = self.client("s3").get_bucket_policy(Bucket=self.name)["Policy"]
        self.finish(self.name)
        self.task = self.assumed()

    def client(self, service, key="testing", secret="testing", token=None):
        return boto3.client(
            service, endpoint_url=self.server.address, region_name=template.REGION, verify=str(self.authority),
            aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
            config=Config(s3={"addressing_style": "path"}),
        )

    def deploy(self, name, account="testing", **given):
        cloudformation = self.client("cloudformation", account)
        parameters = template.GIVEN[name] | given
        cloudformation.create_stack(
            StackName=f"evidenced-{name}", Capabilities=["CAPABILITY_NAMED_IAM"],
            TemplateBody=(template.DEPLOY / f"{name}.yaml").read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=f"evidenced-{name}", WaiterConfig={"Delay": 1, "MaxAttempts": 60},
        )
        (stack,) = cloudformation.describe_stacks(StackName=f"evidenced-{name}")["Stacks"]
        return {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])}

    def finish(self, name, mode="COMPLIANCE", key=True):
        """What ministack's CloudFormation drops, from the template."""
        s3 = self.client("s3")
        if mode:
            properties = template.Stack("bucket", LockMode=mode).properties("Bucket")
            s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=properties["ObjectLockConfiguration"])
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.bucket["BucketKeyArn"]}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [{
            "ApplyServerSideEncryptionByDefault": default if key else {"SSEAlgorithm": "AES256"},
        }]})

    def another(self, mode="COMPLIANCE", key=True, without=()):
        """A bucket with the shipped policy, less what is said; the task may do there what it may in the first."""
        name, s3 = f"evidence-{next(NUMBERS)}", self.client("s3")
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=bool(mode))
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        self.finish(name, mode, key)
        policy = json.loads(self.policy.replace(self.name, name))
        policy["Statement"] = [it for it in policy["Statement"] if it["Sid"] not in without]
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        own = json.dumps(template.Stack("service").properties("TaskPolicy")["PolicyDocument"])
        own = own.replace(template.GIVEN["service"]["BucketName"], name).replace(template.KEY, self.bucket["BucketKeyArn"])
        statements = [it for it in json.loads(own)["Statement"] if it["Sid"] not in ("Sign", "PublicHalves", "Members")]
        self.grant(name, statements)
        return name

    def grant(self, name, statements):
        self.client("iam").put_role_policy(
            RoleName=self.service["TaskRoleName"], PolicyName=name,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        )

    def assumed(self):
        """Credentials of the task. ECS would assume the role; here a user may, for which its trust is widened."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{AUDIT}:root"}, "Action": "sts:AssumeRole"}
        iam.update_assume_role_policy(
            RoleName=self.service["TaskRoleName"],
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        iam.create_user(UserName="ecs")
        iam.put_user_policy(UserName="ecs", PolicyName="assume", PolicyDocument=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:GetCallerIdentity"], "Resource": "*"}],
        }))
        made = iam.create_access_key(UserName="ecs")["AccessKey"]
        self.user = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
        sts = self.client("sts", made["AccessKeyId"], made["SecretAccessKey"])
        got = sts.assume_role(RoleArn=self.service["TaskRoleArn"], RoleSessionName="task")["Credentials"]
        return {"AWS_ACCESS_KEY_ID": got["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": got["SecretAccessKey"],
                "AWS_SESSION_TOKEN": got["SessionToken"]}

    def keys(self, name):
        listed = self.client("s3").list_objects_v2(Bucket=name)
        return sorted(it["Key"] for it in listed.get("Contents", []))


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    authority, cert, key = certificate(tmp_path_factory.mktemp("tls"))
    with emulators.strict_ministack(cert, key) as server:
        yield Account(server, authority)


class Found:
    def __init__(self, done):
        self.code, self.said, self.text = done.returncode, done.stderr, done.stdout
        self.report = json.loads(done.stdout) if done.stdout.startswith("{") else None

    def check(self, name, subject=None):
        (found,) = [it for it in self.report["checks"] if it["check"] == name and subject in (None, it.get("subject"))]
        return found

    def named(self, verdict):
        return {it["check"] for it in self.report["checks"] if it["verdict"] == verdict}

    def fails(self, *names):
        """Exactly these checks fail, with what to do, and the exit code says so."""
        assert self.named("fail") == set(names) | HERE, json.dumps(self.report["checks"], indent=1)
        assert self.code == (6 if names or HERE else 0)
        assert all(it["do"] for it in self.report["checks"] if it["verdict"] != "pass")


class Desk:
    def __init__(self, account, folder):
        self.account, self.folder, self.config = account, folder, folder / "evidenced.toml"
        self.lines = {
            "store": f'region = "{template.REGION}"\nexpected_bucket_owner = "{AUDIT}"', "bucket": account.name,
            "evidence": account.service["EvidenceKeyArn"], "role": "EvidenceReader",
        }

    def run(self, *more, env=None, json_too=True, **changes):
        it = self.lines | changes
        self.config.write_text(f"""
scope = "prod"
organisation = "Example Ltd"
schedule = "0 2 * * *"
[store]
url = "s3://{it["bucket"]}/v1"
endpoint_url = "{self.account.server.address}"
{it["store"]}
[spool]
dir = "{self.folder}/spool"
[signing]
origin = "evidence.example.com/prod"
evidence_key = "awskms:{it["evidence"]}"
log_key = "awskms:{self.account.service["LogKeyArn"]}"
[[aws.accounts]]
id = "{MEMBER}"
role = "{it["role"]}"
external_id_env = "EVIDENCED_EXTERNAL_ID"
[[aws.accounts]]
id = "{AUDIT}"
""", encoding="utf-8")
        environment = self.account.server.env(template.REGION) | {
            "AWS_CA_BUNDLE": str(self.account.authority), "EVIDENCED_EXTERNAL_ID": EXTERNAL_ID,
        } | self.account.task | (env or {})
        command = [emulators.program("evidenced"), "doctor", "--acceptance", "-c", self.config, *more]
        command += ["--json"] if json_too else []
        return Found(subprocess.run(
            [str(word) for word in command], env=environment, capture_output=True, text=True, check=False,
        ))


@pytest.fixture
def desk(account, tmp_path):
    return Desk(account, tmp_path)


@pytest.fixture(scope="module")
def good(account, tmp_path_factory):
    before = account.keys(account.name)
    folder = tmp_path_factory.mktemp("good")
    return Desk(account, folder).run("--save", folder / "acceptance.json"), folder, before


def test_the_deployed_stacks_pass_everything_that_can_be_tried(good, account):
    found, _, _ = good
    found.fails()
    assert found.named("not-possible") == NOT_POSSIBLE
    passed = [it["check"] for it in found.report["checks"] if it["verdict"] == "pass"]
    assert {
        "caller", "owner", "region", "write", "versions", "read", "encryption", "object-lock", "create-only", "overwrite",
        "other-encryption", "plain-http", "delete", "delete-version", "delete-version-bypass", "shorten-lock",
        "still-there", "key-spec", "key-signs", "key-prehash", "member-role", "external-id-missing", "external-id-wrong",
        "own-account", "spool", "clock",
    } <= set(passed)
    assert passed.count("key-signs") == passed.count("key-prehash") == 2, "both keys"
    assert "COMPLIANCE until 2" in found.check("object-lock")["observed"]
    assert found.check("encryption")["observed"] == f"aws:kms, {account.bucket['BucketKeyArn']}"
    assert found.check("create-only")["observed"].startswith("412")
    for name in ("overwrite", "other-encryption", "plain-http", "delete", "delete-version", "external-id-missing"):
        assert "AccessDenied" in found.check(name)["observed"], name
    assert f":assumed-role/{account.service['TaskRoleName']}/" in found.report["caller"]
    assert EXTERNAL_ID not in json.dumps(found.report)


def test_only_probes_are_written_they_stay_and_are_named(good, account):
    found, _, before = good
    after = account.keys(account.name)
    new = [key for key in after if key not in before]
    day = found.report["started"][:10]
    assert len(new) == 2 and all(key.startswith(f"v1/acceptance/{day}/") for key in new), new
    (probe,) = found.report["written"]
    assert probe["url"].endswith(next(key for key in new if key.endswith(".txt"))) and probe["versionId"]
    versions = account.client("s3").list_object_versions(Bucket=account.name)
    assert "DeleteMarkers" not in versions and {it["Key"] for it in versions["Versions"]} >= set(new)
    for key in new:
        head = account.client("s3").head_object(Bucket=account.name, Key=key)
        assert head["ObjectLockMode"] == "COMPLIANCE" and head["ContentLength"] < 32_768, key


def test_what_is_printed_saved_and_stored_is_one_report(good, account):
    found, folder, _ = good
    (key,) = [key for key in account.keys(account.name) if key.endswith("-report.json")][:1]
    stored = account.client("s3").get_object(Bucket=account.name, Key=key)["Body"].read()
    assert stored == (folder / "acceptance.json").read_bytes() == found.text.encode()


def test_the_text_says_of_each_check_what_was_done_expected_and_observed(desk, tmp_path):
    found = desk.run("--save", tmp_path / "acceptance.txt", json_too=False)
    assert found.text == (tmp_path / "acceptance.txt").read_text(encoding="utf-8")
    checks = [part.splitlines() for part in found.text.split("\n\n")[2:-1]]
    assert len(checks) >= 30
    for head, *lines in checks:
        verdict = head.split()[0]
        names = [line.split()[0] for line in lines]
        wanted = ["did", "expected", "because" if verdict == "not-possible" else "observed"]
        assert names == wanted + ([] if verdict == "pass" else ["do"]), head
    assert "\nreport        s3://example-evidence/v1/acceptance/" in found.text
    assert f"{len(HERE)} fail" in found.text.splitlines()[-1]
    assert f"aws kms sign --key-id {desk.account.service['LogKeyArn']}" in found.text
    again = desk.run("--save", tmp_path / "acceptance.txt", json_too=False)
    assert again.code == 2 and "there is such a file already" in again.said and again.text == ""


# ---- one promise broken at a time ---------------------------------------------------------------------------------------

def test_a_bucket_without_a_lock_fails_by_name(desk, account):
    desk.run(bucket=account.another(mode=None)).fails("object-lock")


def test_a_governance_lock_fails_since_it_can_be_lifted(desk, account):
    found = desk.run(bucket=account.another(mode="GOVERNANCE"))
    found.fails("object-lock")
    assert "LockMode=COMPLIANCE" in found.check("object-lock")["do"]


@pytest.mark.parametrize("statement, names", [
    ("CreateOnly", {"overwrite", "still-there"}), ("HttpsOnly", {"plain-http"}),
    ("NoOtherEncryption", {"other-encryption"}),
])
def test_a_statement_that_is_missing_in_the_buckets_policy_fails_by_name(desk, account, statement, names):
    found = desk.run(bucket=account.another(without=[statement]))
    found.fails(*names)
    assert any(statement in it.get("do", "") for it in found.report["checks"])


def test_a_role_that_may_delete_fails_where_no_policy_forbids_it(desk, account):
    name = account.another(without=["NothingIsDeleted"])
    account.grant(f"{name}-delete", [{
        "Sid": "Delete", "Effect": "Allow", "Resource": f"arn:aws:s3:::{name}/*",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"],
    }])
    # A delete marker hides the probe; its version is kept by the lock.
    desk.run(bucket=name).fails("delete", "still-there")


def test_without_lock_and_policy_the_version_is_gone_and_that_is_said(desk, account):
    name = account.another(mode=None, without=["NothingIsDeleted"])
    account.grant(f"{name}-delete", [{
        "Sid": "Delete", "Effect": "Allow", "Resource": f"arn:aws:s3:::{name}/*", "Action": "s3:DeleteObjectVersion",
    }])
    found = desk.run(bucket=name)
    assert {"object-lock", "delete-version", "still-there"} <= found.named("fail") and found.code == 6
    assert found.check("delete-version")["observed"] == "it is gone"


def test_a_bucket_with_s3s_own_key_fails_encryption(desk, account):
    found = desk.run(bucket=account.another(key=False))
    found.fails("encryption")
    assert found.check("encryption")["observed"].startswith("AES256")


def test_another_owner_is_found_out_before_anything_is_written(desk, account):
    before = account.keys(account.name)
    found = desk.run(store=f'region = "{template.REGION}"\nexpected_bucket_owner = "999988887777"')
    assert {"owner", "write"} <= found.named("fail") and "object-lock" not in {it["check"] for it in found.report["checks"]}
    assert account.keys(account.name) == before and found.report["written"] == []


def test_another_region_and_no_owner_fail_by_name(desk):
    found = desk.run(store='region = "eu-central-1"')
    assert {"owner", "region"} <= found.named("fail") and found.code == 6
    found = desk.run(store=f'region = "{template.REGION}"')
    found.fails("owner")


def test_a_user_is_not_the_role_of_the_daemon(desk, account):
    found = desk.run(env={"AWS_SESSION_TOKEN": ""} | account.user)
    assert {"caller", "write", "key-spec", "member-role"} <= found.named("fail") and found.code == 6
    assert found.check("caller")["observed"].endswith(":user/ecs")


def test_a_role_that_anybody_in_the_account_enters_without_the_external_id_fails_by_name(desk, account):
    iam = account.client("iam", MEMBER)
    kept = iam.get_role(RoleName="EvidenceReader")["Role"]["AssumeRolePolicyDocument"]
    weak = json.loads(json.dumps(kept))
    del weak["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
    try:
        iam.update_assume_role_policy(RoleName="EvidenceReader", PolicyDocument=json.dumps(weak))
        desk.run().fails("external-id-missing", "external-id-wrong")
    finally:
        iam.update_assume_role_policy(RoleName="EvidenceReader", PolicyDocument=json.dumps(kept))


def test_a_role_that_is_not_there_is_no_pass_of_the_refusals_alone(desk):
    found = desk.run(role="SomebodyElse")
    assert found.check("member-role", MEMBER)["verdict"] == "fail" and found.code == 6


@contextlib.contextmanager
def stub_of_kms(prehash):
    """A KMS with one Ed25519 key, and its answer to a prehashed message: status and body."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo,
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answer = 200, {"KeyId": said["KeyId"]}
            if self.headers["x-amz-target"].endswith("GetPublicKey"):
                answer |= {"KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_EDWARDS25519",
                           "SigningAlgorithms": ["ED25519_SHA_512", "ED25519_PH_SHA_512"],
                           "PublicKey": base64.b64encode(public).decode()}
            elif said["SigningAlgorithm"] == "ED25519_PH_SHA_512":
                status, answer = prehash
            else:
                answer["Signature"] = base64.b64encode(key.sign(base64.b64decode(said["Message"]))).decode()
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_key_that_signs_a_prehashed_message_fails_by_name(desk):
    with stub_of_kms((200, {"KeyId": "k", "Signature": base64.b64encode(bytes(64)).decode()})) as url:
        desk.run(env={"AWS_ENDPOINT_URL_KMS": url}).fails("key-prehash")


def test_a_refusal_of_prehashing_that_is_no_denial_proves_no_policy(desk):
    with stub_of_kms((400, {"__type": "UnsupportedOperationException", "message": "not here"})) as url:
        found = desk.run(env={"AWS_ENDPOINT_URL_KMS": url})
    found.fails()
    assert found.named("not-possible") == NOT_POSSIBLE | {"key-prehash"}
    assert "aws kms get-key-policy" in [it for it in found.report["checks"] if it["check"] == "key-prehash"][0]["do"]


def test_a_key_of_another_kind_fails_by_name(desk, account):
    other = account.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    found = desk.run(evidence=other)
    assert {"key-spec", "key-signs"} <= found.named("fail")
    assert other in [it["subject"] for it in found.report["checks"] if it["verdict"] == "fail" and "subject" in it]


def test_a_server_that_does_not_answer_is_never_a_pass(desk):
    nobody = f"https://127.0.0.1:{emulators.free_port()}"
    found = desk.run(
        env={"AWS_ENDPOINT_URL": nobody}, store=f'region = "{template.REGION}"\nexpected_bucket_owner = "{AUDIT}"',
    )
    assert found.code == 6
    assert found.named("pass") & {"caller", "key-spec", "key-signs", "key-prehash", "member-role", "clock",
                                  "external-id-missing", "external-id-wrong"} == set()
