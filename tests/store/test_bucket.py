"""The bucket as a store: what is written into it, how, and that an auditor's copy of it verifies."""

import base64
import datetime
import hashlib
import re

import pytest

from bucket import PREFIX, Desk, last_slot

SIDECARS = (".sigstore.json", ".sshsig", ".tlog-proof")


class Written:
    """A bucket after one scheduled run."""

    def __init__(self, cloud, folder):
        kms = cloud.client("kms").create_key()["KeyMetadata"]["KeyId"]
        self.cloud, self.bucket, self.kms = cloud, cloud.bucket(), kms
        self.desk = Desk(cloud, folder, self.bucket, store={
            "object_lock": {"mode": "governance", "days": 400}, "kms_key_id": kms,
        })
        self.slot = last_slot()
        self.done = self.collect()
        assert self.done.returncode in (0, 4), self.done.stderr
        self.keys = cloud.keys(self.bucket)

    def collect(self):
        return self.desk.collect("--slot", self.slot.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def head(self, key):
        return self.cloud.client("s3").head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")

    def body(self, key):
        return self.cloud.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def zip(self):
        (key,) = [key for key in self.keys if key.endswith(".zip")]
        return key


@pytest.fixture(scope="module")
def written(cloud, tmp_path_factory):
    return Written(cloud, tmp_path_factory.mktemp(cloud.name))


def test_every_object_has_its_place_below_the_prefix(written):
    slot = written.slot
    name = f"evidence-store-{slot:%Y%m%dT%H%M%SZ}"
    folder = f"{PREFIX}/bundles/{slot:%Y/%m/%d}"
    assert written.zip() == f"{folder}/{name}.zip"
    for sidecar in SIDECARS:
        assert f"{folder}/{name}.zip{sidecar}" in written.keys
    rest = {key.removeprefix(f"{PREFIX}/").split("/")[0] for key in written.keys}
    assert rest == {"bundles", "log", "trust"}
    assert f"{PREFIX}/log/checkpoint" in written.keys
    assert f"{PREFIX}/trust/root-v1.dsse.json" in written.keys


def test_a_slot_that_is_in_the_bucket_is_not_collected_again(written):
    before = {key: written.head(key)["ETag"] for key in written.keys}
    again = written.collect()
    assert again.returncode == 2 and "the store already holds s3://" in again.stderr, again.stderr
    assert {key: written.head(key)["ETag"] for key in written.cloud.keys(written.bucket)} == before


def test_what_is_never_replaced_is_locked_for_as_long_as_configured(written):
    now = datetime.datetime.now(datetime.timezone.utc)
    for key in written.keys:
        head = written.head(key)
        if key == f"{PREFIX}/log/checkpoint":
            assert "ObjectLockMode" not in head
            continue
        assert head["ObjectLockMode"] == "GOVERNANCE", key
        days = (head["ObjectLockRetainUntilDate"] - now).total_seconds() / 86_400
        assert 399 < days < 402, (key, days)


def test_objects_are_encrypted_with_the_configured_key(written):
    for key in written.keys:
        head = written.head(key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"].split("/")[-1]) == ("aws:kms", written.kms), key


def test_the_bucket_keeps_the_digest_of_the_whole_zip(written):
    expected = base64.b64encode(hashlib.sha256(written.body(written.zip())).digest()).decode()
    assert written.head(written.zip())["ChecksumSHA256"] == expected


def test_a_copy_of_the_bucket_verifies(written, tmp_path):
    store = written.cloud.download(written.bucket, tmp_path)
    done = written.desk.verify(store)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    zipped = store / written.zip().removeprefix(f"{PREFIX}/")
    content = bytearray(zipped.read_bytes())
    content[len(content) // 2] ^= 1
    zipped.write_bytes(bytes(content))
    assert written.desk.verify(store).returncode == 5


def test_a_server_whose_authority_is_unknown_is_not_written_to(moto, tmp_path):
    bucket = moto.bucket()
    desk = Desk(moto, tmp_path, bucket)
    env = {name: value for name, value in moto.env().items() if name != "AWS_CA_BUNDLE"}
    done = desk.collect(env=env)
    assert done.returncode not in (0, 4) and re.search("certificate|UnknownIssuer", done.stderr), done.stderr
    assert moto.keys(bucket) == []


@pytest.mark.parametrize("endpoint, allowed, words", [
    ("http://127.0.0.1:9", None, "is plain HTTP: evidence travels by HTTPS only"),
    ("http://127.0.0.1:9", False, "is plain HTTP: evidence travels by HTTPS only"),
    ("http://192.0.2.7:9000", True, "is not an https URL"),
    ("http://s3.example.com", True, "is not an https URL"),
    ("http://127.0.0.1.example.com", True, "is not an https URL"),
    ("http://localhost@s3.example.com", True, "is not an https URL"),
])
def test_plain_http_is_refused_with_file_line_and_key(moto, tmp_path, endpoint, allowed, words):
    desk = Desk(moto, tmp_path, "evidence")
    desk.settings["store"] |= {"endpoint_url": endpoint}
    if allowed is not None:
        desk.settings["store"]["allow_plain_http"] = allowed
    desk.write()
    lines = desk.config.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if endpoint in text)
    for command in (("config", "check"), ("collect",)):
        done = desk.run(*command, "-c", desk.config)
        assert done.returncode == 2
        assert f"{desk.config}:{line}" in done.stderr and "store.endpoint_url" in done.stderr and words in done.stderr
