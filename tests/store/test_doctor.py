"""`evidenced doctor` of a bucket: every rule of a good one is ok, each rule that is not kept is named, nothing is written."""

import json

import pytest

from bucket import Desk


def doctor(desk):
    done = desk.run("doctor", "--json", "-c", desk.config)
    assert done.returncode in (0, 6), done.stderr
    answer = json.loads(done.stdout)
    assert answer["exit"] == done.returncode
    return {(line["check"], line.get("subject")): line for line in answer["checks"]}


def states(checks, name):
    return {subject: line["state"] for (check, subject), line in checks.items() if check == name}


def test_a_good_bucket_keeps_every_rule_and_doctor_leaves_it_empty(cloud, tmp_path):
    bucket = cloud.bucket()
    cloud.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}],
    })
    owner = cloud.client("sts").get_caller_identity()["Account"]
    desk = Desk(cloud, tmp_path, bucket, store={"expected_bucket_owner": owner})
    checks = doctor(desk)
    assert states(checks, "bucket") == dict.fromkeys(
        ("https-only", "versioning", "object-lock", "public-access-block", "encryption", "owner"), "ok",
    ), checks
    for name in ("clock", "identity", "store", "log", "trust-root", "evidence-key", "log-key", "spool", "region"):
        assert set(states(checks, name).values()) == {"ok"}, (name, checks)
    assert cloud.keys(bucket) == []
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("less, rule", [
    ({"policy": False}, "https-only"), ({"public_access": False}, "public-access-block"),
])
def test_a_rule_that_a_run_would_refuse_is_missing_with_its_remedy(cloud, tmp_path, less, rule):
    desk = Desk(cloud, tmp_path, cloud.bucket(**less))
    line = doctor(desk)[("bucket", rule)]
    assert line["state"] == "missing" and line["do"], line
    if rule == "https-only":
        assert "aws:SecureTransport" in line["do"]


def test_a_bucket_that_is_not_there_is_missing(cloud, tmp_path):
    checks = doctor(Desk(cloud, tmp_path, "no-such-bucket-here"))
    assert "missing" in states(checks, "store").values() and "missing" in states(checks, "bucket").values()
