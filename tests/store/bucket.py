"""A bucket on a server of the tests, a configuration that stores in it, and what lies in it afterwards."""

import datetime
import itertools
import json
import re
import subprocess

import boto3
from botocore.config import Config

import collector
import emulators

PREFIX = "evidence/v1"
REGION = "us-east-1"
NUMBERS = itertools.count(1)


def https_only(bucket):
    return {
        "Sid": "HttpsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


class Cloud:
    """A server, and how the programs and boto3 are told to trust it."""

    def __init__(self, server, authority):
        self.server, self.authority, self.name = server, authority, server.name

    def env(self):
        return self.server.env(REGION) | ({"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {})

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.server.address, region_name=REGION,
            verify=str(self.authority) if self.authority else None, aws_access_key_id="testing",
            aws_secret_access_key="testing", config=Config(s3={"addressing_style": "path"}),
        )

    def bucket(self, policy=True, public_access=True):
        """A bucket with Object Lock; `policy` and `public_access` are what the collector asks for before it writes."""
        name, s3 = f"evidence-{next(NUMBERS)}", self.client("s3")
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        if policy:
            self.make_https_only(name)
        if public_access:
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={
                "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            })
        return name

    def make_https_only(self, name, statement=None):
        policy = {"Version": "2012-10-17", "Statement": [statement or https_only(name)]}
        self.client("s3").put_bucket_policy(Bucket=name, Policy=json.dumps(policy))

    def keys(self, bucket):
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def download(self, bucket, folder):
        """The store as a folder; gives the folder."""
        for key in self.keys(bucket):
            path = folder / key.removeprefix(f"{PREFIX}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self.client("s3").download_file(bucket, key, str(path))
        return folder


class Desk:
    """A folder with keys, a trust root and a configuration that stores in a bucket."""

    def __init__(self, cloud, folder, bucket, store=None, signing=None):
        self.cloud, self.folder, self.bucket = cloud, folder, bucket
        self.config = folder / "evidenced.toml"
        said = collector.evidenced(
            "init", "--dir", folder, "--scope", "store", "--organisation", "Example Ltd",
            "--origin", "evidence.example.com/store", env=cloud.env(),
        )
        self.fingerprint = re.search(r"fingerprint  ([0-9a-f]{64})", said)[1]
        self.settings = {
            "": {"scope": "store", "organisation": "Example Ltd", "schedule": "0 2 * * *"},
            "store": {"url": f"s3://{bucket}/{PREFIX}", "region": REGION, "endpoint_url": cloud.server.address}
            | ({"allow_plain_http": True} if cloud.authority is None else {}) | (store or {}),
            "spool": {"dir": "spool"},
            "signing": {
                "origin": "evidence.example.com/store", "evidence_key": "file:keys/evidence.key.pem",
                "log_key": "file:keys/log.key.pem", "trust_root": "store/trust",
            } | (signing or {}),
            "aws": {"endpoint_url": cloud.server.address, "regions": [REGION]},
            "collect": {"items": ["vpc.vpcs", "s3.buckets"]},
        }
        self.write()

    def write(self):
        tables = {name: values for name, values in self.settings.items()}
        lock = tables["store"].pop("object_lock", None)
        text = collector.toml(tables)
        if lock:
            tables["store"]["object_lock"] = lock
            text += "\n[store.object_lock]\n" + collector.lines(lock)
        self.config.write_text(text, encoding="utf-8")

    def run(self, *arguments, env=None):
        """The program's exit code and what it said."""
        return subprocess.run(
            [str(emulators.program("evidenced")), *map(str, arguments)], env=(env or self.cloud.env()),
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )

    def collect(self, *more, env=None):
        return self.run("collect", "-c", self.config, *more, env=env)

    def verify(self, store, *more):
        return self.run(
            "verify", store, "--trust", store / "trust", "--root-fingerprint", self.fingerprint, "--undated", *more,
        )


def last_slot():
    """The last 02:00 UTC."""
    now = datetime.datetime.now(datetime.timezone.utc)
    due = now.replace(hour=2, minute=0, second=0, microsecond=0)
    return due if due <= now else due - datetime.timedelta(days=1)
