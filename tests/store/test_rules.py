"""The bucket is asked before anything is written into it, and what it said is in the bundle."""

import json
import os
import pathlib
import zipfile

import pytest

import emulators
from bucket import Desk, https_only


def bundle(cloud, bucket, folder):
    """The one zip of a bucket: name and files."""
    store = cloud.download(bucket, folder)
    (path,) = store.rglob("*.zip")
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def narrower(bucket):
    """A statement that lets some plain HTTP through: objects only."""
    return https_only(bucket) | {"Resource": f"arn:aws:s3:::{bucket}/*"}


def test_a_bucket_without_the_statement_is_refused_and_the_statement_is_enough(moto, tmp_path):
    bucket = moto.bucket(policy=False)
    desk = Desk(moto, tmp_path, bucket)
    done = desk.collect()
    assert done.returncode == 6, done.stderr
    assert "https-only: the bucket has no policy" in done.stderr and "--accept-bucket" in done.stderr
    assert moto.keys(bucket) == [] and not list(tmp_path.rglob("sealed/*.zip"))
    line = next(line for line in done.stderr.splitlines() if "add this statement to the bucket policy: " in line)
    moto.make_https_only(bucket, json.loads(line.partition("policy: ")[2]))
    done = desk.collect()
    assert done.returncode in (0, 4), done.stderr
    files = bundle(moto, bucket, tmp_path / "copy")
    assert "acceptedBucket" not in json.loads(files["data/run.json"])
    said = json.loads(files["data/store.json"])
    assert (said["item"], said["schema"]) == ("store.bucket", "evidenced/evidence/v1")
    policy = next(call for call in said["calls"] if call["operation"] == "GetBucketPolicy")
    assert "aws:SecureTransport" in policy["output"]["Policy"]
    assert {call["parameters"]["Bucket"] for call in said["calls"]} == {bucket} and len(said["calls"]) == 5
    assert b"data/store.json" in files["manifest-sha256.txt"]


@pytest.mark.parametrize("statement, public_access, rules", [
    (narrower, True, ["https-only"]), (https_only, False, ["public-access-block"]),
    (narrower, False, ["https-only", "public-access-block"]),
])
def test_each_rule_that_is_not_kept_is_refused_with_its_remedy(moto, tmp_path, statement, public_access, rules):
    bucket = moto.bucket(policy=False, public_access=public_access)
    moto.make_https_only(bucket, statement(bucket))
    done = Desk(moto, tmp_path, bucket).collect()
    assert done.returncode == 6, done.stderr
    assert [line.split(":")[0] for line in done.stderr.splitlines() if line.split(":")[0] in
            ("https-only", "versioning", "object-lock", "public-access-block", "encryption")] == rules
    assert moto.keys(bucket) == []


def test_an_accepted_bucket_is_named_in_the_run(moto, tmp_path):
    bucket = moto.bucket(policy=False, public_access=False)
    done = Desk(moto, tmp_path, bucket).collect("--accept-bucket")
    assert done.returncode in (0, 4), done.stderr
    assert "the bucket is not as it should be" in done.stderr and "https-only" in done.stderr
    run = json.loads(bundle(moto, bucket, tmp_path / "copy")["data/run.json"])
    assert run["acceptedBucket"] == ["https-only", "public-access-block"]


def test_the_bucket_is_asked_for_in_the_name_of_its_owner(moto, tmp_path):
    """moto does not compare the owner; that each call names it is in the document."""
    bucket = moto.bucket()
    done = Desk(moto, tmp_path, bucket, store={"expected_bucket_owner": "123456789012"}).collect()
    assert done.returncode in (0, 4), done.stderr
    said = json.loads(bundle(moto, bucket, tmp_path / "copy")["data/store.json"])
    assert {call["parameters"]["ExpectedBucketOwner"] for call in said["calls"]} == {"123456789012"}


def test_a_bucket_that_does_not_answer_holds_up_no_run(moto, tmp_path):
    """The bundle is sealed and waits; when the bucket answers, the next run publishes it first."""
    bucket = moto.bucket()
    desk = Desk(moto, tmp_path, bucket)
    desk.settings["store"]["endpoint_url"] = f"https://127.0.0.1:{emulators.free_port()}"
    desk.write()
    done = desk.collect()
    assert done.returncode == 1 and "was not asked before writing" in done.stderr, done.stderr
    (waiting,) = tmp_path.rglob("sealed/*.zip")
    desk.settings["store"]["endpoint_url"] = moto.server.address
    desk.write()
    done = desk.collect()
    assert done.returncode in (0, 4), done.stderr
    stored = [pathlib.Path(key).name for key in moto.keys(bucket) if key.endswith(".zip")]
    assert len(stored) == 2 and waiting.name in stored and not os.path.exists(waiting)
