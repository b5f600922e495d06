"""Buckets of the population: policies of eight shapes, and the settings that the evidence table asks for.

Promises: bucket i has policy shape i mod 8 and lies in region i / 4 mod the number of regions; bucket 0 has every
setting on, bucket 1 none; evid-public is what its name says. Refused: an object in any of them (nothing here reads objects).
"""

import json


def statement(bucket, **other):
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    return {
        "Sid": "DenyInsecure", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everything,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } | other


SHAPES = (
    ("deny-full", statement),
    ("none", None),
    ("deny-objects-only", lambda b: statement(b, Resource=f"arn:aws:s3:::{b}/*")),
    ("deny-put-only", lambda b: statement(b, Action="s3:PutObject")),
    ("allow-if-secure", lambda b: statement(b, Effect="Allow", Condition={"Bool": {"aws:SecureTransport": "true"}})),
    ("deny-aws-star", lambda b: statement(b, Principal={"AWS": "*"})),
    ("deny-one-principal", lambda b: statement(b, Principal={"AWS": "arn:aws:iam::123456789012:root"})),
    ("deny-tls-version", lambda b: statement(b, Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}})),
)


def buckets(population):
    """Makes all buckets of the account."""
    for name in ("evid-flowlogs", "evid-config", "evid-access-logs"):
        create(population, name, population.regions[0])
        population.made["buckets"].append({"name": name, "policy": "none", "region": population.regions[0]})
    s3 = create(population, "evid-public", population.regions[0])
    anyone = statement("evid-public", Sid="Anyone", Effect="Allow", Action="s3:GetObject")
    anyone.pop("Condition")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    population.attempt(s3.put_bucket_policy, Bucket="evid-public", Policy=policy)
    population.made["buckets"].append({"name": "evid-public", "policy": "public", "region": population.regions[0]})
    for i in range(population.counts["buckets"]):
        shape, make = SHAPES[i % len(SHAPES)]
        name, region = f"evid-{shape}-{i}", population.regions[(i // 4) % len(population.regions)]
        s3 = create(population, name, region, ObjectLockEnabledForBucket=i == 0)
        if make:
            policy = json.dumps({"Version": "2012-10-17", "Statement": [make(name)]})
            population.attempt(s3.put_bucket_policy, Bucket=name, Policy=policy)
        if i == 0:
            settings(population, s3, name)
        if i % 8 == 4:
            kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/evidence"}
            encrypt(population, s3, name, {"ApplyServerSideEncryptionByDefault": kms, "BucketKeyEnabled": True})
            population.attempt(
                s3.put_bucket_versioning, Bucket=name, VersioningConfiguration={"Status": "Suspended"},
            )
        population.made["buckets"].append({"name": name, "policy": shape, "region": region})


def create(population, name, region, **more):
    s3 = population.client("s3", region)
    if region != "us-east-1":
        more["CreateBucketConfiguration"] = {"LocationConstraint": region}
    population.attempt(s3.create_bucket, Bucket=name, **{key: value for key, value in more.items() if value})
    return s3


def settings(population, s3, name):
    encrypt(population, s3, name, {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}})
    population.attempt(s3.put_bucket_versioning, Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    population.attempt(
        s3.put_public_access_block, Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True),
    )
    population.attempt(
        s3.put_object_lock_configuration, Bucket=name, ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}},
        },
    )
    population.attempt(s3.put_bucket_acl, Bucket="evid-access-logs", ACL="log-delivery-write")
    population.attempt(
        s3.put_bucket_logging, Bucket=name, BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": "evid-access-logs", "TargetPrefix": f"{name}/"},
        },
    )


def encrypt(population, s3, name, rule):
    population.attempt(
        s3.put_bucket_encryption, Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]},
    )
