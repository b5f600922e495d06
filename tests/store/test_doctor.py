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


def test_acceptance_on_a_server_that_judges_nothing_names_what_is_not_refused(moto, tmp_path):
    """moto knows neither conditions of a policy nor ExternalIds, and has no Ed25519: none of that is a pass."""
    member = "444455556666"
    desk = Desk(moto, tmp_path, moto.bucket(), store={"expected_bucket_owner": "123456789012"})
    with desk.config.open("a", encoding="utf-8") as config:
        config.write(f'\n[[aws.accounts]]\nid = "{member}"\nrole = "Reader"\nexternal_id_file = "external-id"\n')
    (tmp_path / "external-id").write_text("an-external-id-of-a-test", encoding="utf-8")
    done = desk.run("doctor", "--acceptance", "--json", "-c", desk.config)
    assert done.returncode == 6, done.stderr
    found = {line["check"]: line for line in json.loads(done.stdout)["checks"]}
    verdicts = {name: line["verdict"] for name, line in found.items()}
    for name in ("write", "versions", "read", "create-only", "region", "member-role", "clock"):
        assert verdicts[name] == "pass", found[name]
    for name in ("owner", "overwrite", "delete", "still-there", "external-id-missing", "external-id-wrong",
                 "object-lock", "encryption", "caller"):
        assert verdicts[name] == "fail" and found[name]["do"], found[name]
    # Over TLS alone: that nobody answers plain HTTP does not prove the policy.
    assert verdicts["plain-http"] == verdicts["key"] == "not-possible", found["plain-http"]
    assert "aws s3api get-object --endpoint-url http://127.0.0.1:" in found["plain-http"]["do"]
    keys = moto.keys(desk.bucket)
    assert all("/acceptance/" in key for key in keys), keys


def test_acceptance_of_a_folder_promises_nothing(moto, tmp_path):
    desk = Desk(moto, tmp_path, "none")
    desk.settings["store"] = {"url": "file:store"}
    desk.write()
    done = desk.run("doctor", "--acceptance", "--json", "-c", desk.config)
    found = {line["check"]: line["verdict"] for line in json.loads(done.stdout)["checks"]}
    assert found["bucket"] == found["key"] == "not-possible" and "write" not in found
    assert json.loads(done.stdout)["written"] == []
