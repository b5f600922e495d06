"""The policies of `evidenced iam-policy --store` and `--task` against what the program asks for when it runs.

A scheduled run, an extra one, `status`, `list`, `doctor` and `download` are recorded on moto. Every request maps to the actions that AWS checks for it; every action is allowed, and every allowed
action is used or named below with its reason.
"""

import fnmatch
import importlib.util
import json
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "store")]

import bucket as buckets  # noqa: E402
import emulators  # noqa: E402
from test_iam_actions import definitions  # noqa: E402, F401

# What AWS checks for a request of the SDK, by service and what the request says of itself.
QUESTIONS = {
    "GetBucketPolicy": "s3:GetBucketPolicy", "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock", "GetBucketEncryption": "s3:GetEncryptionConfiguration",
}

# Allowed, and not asked for in this recording, with the reason.
NOT_RECORDED = {
    "kms:Decrypt": "S3 asks KMS for it in the caller's name when an encrypted object is read",
    "kms:GenerateDataKey": "S3 asks KMS for it in the caller's name when an encrypted object is written",
    "s3:PutObjectRetention": "checked for a PUT that carries a lock, beside s3:PutObject",
    "s3:GetObjectRetention": "of the probes of doctor --acceptance: tests/deploy/test_acceptance.py asks as the task's role",
    "kms:Sign": "moto has no Ed25519: tests/store/test_kms.py signs on ministack",
    "kms:GetPublicKey": "as kms:Sign",
}


def actions_of(statements):
    return {
        action for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def policy(desk, option):
    done = desk.run("iam-policy", option, "-c", desk.config)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["Statement"]


def action(line):
    """The action that a recorded request needs; none where AWS asks for no permission."""
    service, name = line["service"], line["action"]
    if not service:
        return None  # doctor asks an endpoint for the time without a signature
    if service != "s3":
        return None if name == "GetCallerIdentity" else f"{service}:{name}"
    if name in QUESTIONS:
        return QUESTIONS[name]
    method, depth, words = name.split(" ", 2)
    if "list-type" in words:
        return "s3:ListBucket"
    return {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject"}[method]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A configuration with everything, and the lines of the recording of its runs."""
    folder = tmp_path_factory.mktemp("recorded")
    log = folder / "requests"
    spec = importlib.util.spec_from_file_location("store_conftest", TESTS / "store" / "conftest.py")
    store = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(store)
    # Over TLS, as the other tests of the store: moto's buckets deny plain HTTP where their policy says so.
    authority, cert, key = store.certificate(folder)
    with emulators.moto(log=log, cert=cert, key=key) as server:
        cloud = buckets.Cloud(server, authority)
        name = cloud.bucket()
        kms = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
        desk = buckets.Desk(cloud, folder, name, store={
            "object_lock": {"mode": "governance", "days": 10}, "kms_key_id": kms,
        })
        desk.settings["collect"]["items"] = ["vpc.vpcs"]
        desk.write()
        with desk.config.open("a", encoding="utf-8") as config:
            config.write("\n[[aws.accounts]]\nid = \"111122223333\"\nrole = \"EvidenceReader\"\n")
        log.write_text("", encoding="utf-8")
        slot = buckets.last_slot().strftime("%Y-%m-%dT%H:%M:%SZ")
        for arguments in (
            ("collect", "--slot", slot), ("collect",), ("status",), ("list",), ("doctor",),
            ("download", "--to", folder / "got", "--undated", slot),
        ):
            done = desk.run(*arguments[:1], "-c", desk.config, *arguments[1:])
            assert done.returncode in (0, 4, 6), (arguments, done.stderr)
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        yield desk, lines


def test_every_recorded_request_is_allowed_and_every_allowed_action_is_used(recorded):
    desk, lines = recorded
    allowed = actions_of(policy(desk, "--task"))
    asked = {action(line) for line in lines} - {None, "iam:SimulatePrincipalPolicy"}
    # What is read in the account is the member role's, which iam-policy without an option prints.
    member = actions_of(json.loads(desk.run("iam-policy").stdout)["Statement"])
    assert asked - allowed - member == set()
    used = {name for name in asked if name in allowed}
    assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "sts:AssumeRole"} <= used
    assert allowed - used - set(NOT_RECORDED) - member == set()


def test_objects_are_written_only_where_the_policy_allows(recorded):
    desk, _ = recorded
    (objects,) = [it for it in policy(desk, "--store") if it["Sid"] == "EvidenceObjects"]
    (locked,) = [it for it in policy(desk, "--store") if it["Sid"] == "EvidenceRetention"]
    keys = desk.cloud.keys(desk.bucket)
    assert keys

    def covers(statement, key):
        name = f"arn:aws:s3:::{desk.bucket}/{key}"
        return any(fnmatch.fnmatchcase(name, resource) for resource in statement["Resource"])

    assert [key for key in keys if not covers(objects, key)] == []
    replaced = (f"{buckets.PREFIX}/log/checkpoint", f"{buckets.PREFIX}/status/")
    for key in keys:
        assert covers(locked, key) != (key == replaced[0] or key.startswith(replaced[1])), key


def test_every_action_of_both_policies_exists(recorded, definitions):  # noqa: F811
    desk, _ = recorded
    for option in ("--store", "--task"):
        assert actions_of(policy(desk, option)) - definitions.keys() == set()


def test_no_action_is_a_wildcard_and_none_deletes(recorded):
    desk, _ = recorded
    for name in actions_of(policy(desk, "--task")):
        assert "*" not in name and "Delete" not in name and "Bypass" not in name, name


def test_a_folder_and_key_files_need_no_policy(recorded, tmp_path):
    desk, _ = recorded
    text = desk.config.read_text(encoding="utf-8")
    before, _, after = text.partition("[store]")
    _, _, after = after.partition("[spool]")
    after, _, accounts = after.partition("[store.object_lock]")
    plain = tmp_path / "plain.toml"
    _, _, accounts = accounts.partition("[[aws.accounts]]")
    plain.write_text(f"{before}[store]\nurl = \"file:store\"\n[spool]{after}[[aws.accounts]]{accounts}", encoding="utf-8")
    done = desk.run("iam-policy", "--store", "-c", plain)
    assert done.returncode == 2 and "the store is a folder" in done.stderr, done.stderr
