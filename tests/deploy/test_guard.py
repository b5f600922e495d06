"""The promises of the templates as rules of Guard: each holds, and each fails when its promise is broken."""

import json
import pathlib
import re

import pytest

import template

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["bucket", "service", "member-role"]


def rules(name):
    return (template.DEPLOY / "guard" / f"{name}.guard").read_text(encoding="utf-8")


def named(name):
    return re.findall(r"^rule (\w+)", rules(name), re.MULTILINE)


def properties(of):
    return lambda it: it["Resources"][of]["Properties"]


def put(resource, *path):
    """A change of one property: the last of `path` is the value."""
    *keys, last, value = path

    def change(it):
        at = it["Resources"][resource]["Properties"]
        for key in keys:
            at = at[key]
        at[last] = value

    return change


def drop(resource, *path):
    *keys, last = path

    def change(it):
        at = it["Resources"][resource]["Properties"]
        for key in keys:
            at = at[key]
        del at[last]

    return change


def on_statement(resource, sid, change, document="PolicyDocument"):
    def changed(it):
        statements = it["Resources"][resource]["Properties"][document]["Statement"]
        change(next(statement for statement in statements if statement.get("Sid") == sid))

    return changed


def without_statement(resource, sid, document="PolicyDocument"):
    def changed(it):
        policy = it["Resources"][resource]["Properties"][document]
        policy["Statement"] = [statement for statement in policy["Statement"] if statement.get("Sid") != sid]

    return changed


def setting(**values):
    return lambda statement: statement.update(values)


def gone(resource):
    return lambda it: it["Resources"].pop(resource)


def attribute(resource, name, value):
    return lambda it: it["Resources"][resource].update({name: value})


def container(*path):
    return put("TaskDefinition", "ContainerDefinitions", 0, *path)


def parameter(name, key, value):
    return lambda it: it["Parameters"][name].update({key: value})


STATEMENT = ("AssumeRolePolicyDocument", "Statement", 0)
READS = ("Policies", 0, "PolicyDocument", "Statement", 0)

BROKEN = {
    "bucket": {
        "evidence_bucket_exists": [gone("BucketPolicy"), put("AccessLogPolicy", "Bucket", {"Ref": "Bucket"})],
        "evidence_is_locked": [
            put("Bucket", "ObjectLockEnabled", False), drop("Bucket", "ObjectLockConfiguration", "Rule"),
            put("Bucket", "ObjectLockConfiguration", "Rule", "DefaultRetention", "Mode", "GOVERNANCE"),
            parameter("LockDays", "MinValue", 0),
        ],
        "versions_are_kept": [put("Bucket", "VersioningConfiguration", "Status", "Suspended")],
        "evidence_is_encrypted_under_its_key": [
            put("Bucket", "BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault",
                {"SSEAlgorithm": "AES256"}),
            put("DataKey", "EnableKeyRotation", False), without_statement("BucketPolicy", "NoOtherKey"),
        ],
        "nothing_is_public": [
            put("Bucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy", False),
            put("AccessLog", "OwnershipControls", "Rules", 0, "ObjectOwnership", "ObjectWriter"),
            on_statement("BucketPolicy", "WriterObjects", setting(Principal="*")),
        ],
        "https_only": [
            without_statement("BucketPolicy", "HttpsOnly"), without_statement("AccessLogPolicy", "HttpsOnly"),
            on_statement("BucketPolicy", "HttpsOnly", setting(Action="s3:GetObject")),
        ],
        "tls_1_2_or_later": [
            without_statement("BucketPolicy", "Tls12OrLater"),
            on_statement("BucketPolicy", "Tls12OrLater", setting(Condition={"NumericLessThan": {"s3:TlsVersion": "1.1"}})),
        ],
        "created_and_never_overwritten": [
            without_statement("BucketPolicy", "CreateOnly"), without_statement("BucketPolicy", "CompareAndSwap"),
            on_statement("BucketPolicy", "CreateOnly", setting(Effect="Allow")),
        ],
        "nothing_is_deleted": [
            without_statement("BucketPolicy", "NothingIsDeleted"),
            on_statement("BucketPolicy", "NothingIsDeleted", setting(Action=["s3:DeleteObject"])),
            on_statement("BucketPolicy", "NothingIsDeleted", setting(Condition={"Bool": {"aws:ViaAWSService": "false"}})),
        ],
        "evidence_never_expires": [
            put("Bucket", "LifecycleConfiguration", "Rules", 0, "ExpirationInDays", 365),
            put("Bucket", "LifecycleConfiguration", "Rules", 1, "NoncurrentVersionExpiration", {"NoncurrentDays": 1}),
        ],
        "access_is_logged": [drop("Bucket", "LoggingConfiguration")],
        "evidence_outlives_the_stack": [
            attribute("Bucket", "DeletionPolicy", "Delete"), attribute("DataKey", "DeletionPolicy", "Delete"),
        ],
    },
    "service": {
        "the_parts_exist": [gone("SpoolAge"), gone("DeploymentFailed"), gone("Service")],
        "task_is_hardened": [
            container("ReadonlyRootFilesystem", False), container("Privileged", True), container("User", "0"),
            container("LinuxParameters", "Capabilities", {"Drop": ["NET_RAW"]}),
            container("LinuxParameters", "Capabilities", {"Drop": ["ALL"], "Add": ["SYS_PTRACE"]}),
            put("TaskDefinition", "NetworkMode", "bridge"),
        ],
        "image_by_digest": [
            parameter("Image", "AllowedPattern", "^.*$"), container("Image", "evidenced:latest"),
            container("VersionConsistency", "disabled"),
        ],
        "task_stops_in_time": [container("StopTimeout", 300), container("StopTimeout", 30)],
        "task_is_watched": [
            container("HealthCheck", "Command", ["CMD-SHELL", "/evidenced health"]),
            container("LogConfiguration", "Options", "mode", "blocking"),
        ],
        "no_secret_in_the_environment": [
            container("Environment", 0, {"Name": "EVIDENCED_EXTERNAL_ID", "Value": "x"}), container("Secrets", []),
        ],
        "one_task": [
            put("Service", "DesiredCount", 2), put("Service", "DeploymentConfiguration", "MaximumPercent", 200),
            put("Service", "AvailabilityZoneRebalancing", "ENABLED"),
        ],
        "failed_deployments_go_back": [
            put("Service", "DeploymentConfiguration", "DeploymentCircuitBreaker", "Rollback", False),
        ],
        "nobody_comes_in": [
            put("Service", "EnableExecuteCommand", True),
            put("Service", "NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp", "ENABLED"),
            put("SecurityGroup", "SecurityGroupIngress", [{"IpProtocol": "tcp", "FromPort": 9464, "ToPort": 9464}]),
        ],
        "keys_sign_one_way_for_the_task": [
            put("EvidenceKey", "KeySpec", "RSA_4096"), attribute("LogKey", "DeletionPolicy", "Delete"),
            without_statement("LogKey", "OneAlgorithm", "KeyPolicy"),
            without_statement("EvidenceKey", "WholeMessages", "KeyPolicy"),
            without_statement("EvidenceKey", "NobodyElseSigns", "KeyPolicy"),
            on_statement("EvidenceKey", "TheTaskSigns", lambda it: it["Condition"]["StringEquals"].pop("kms:MessageType"),
                         "KeyPolicy"),
            on_statement("LogKey", "AdministrationWithoutSigning", setting(Action="kms:*"), "KeyPolicy"),
        ],
        "log_is_kept_and_encrypted": [
            drop("LogGroup", "KmsKeyId"), drop("LogGroup", "RetentionInDays"), parameter("LogDays", "Default", 30),
        ],
        "roles_belong_to_this_account": [drop("TaskRole", *STATEMENT, "Condition")],
        "silence_is_an_alarm": [
            put("NoSuccessfulRun", "TreatMissingData", "notBreaching"), put("NoSuccessfulRun", "EvaluationPeriods", 48),
            put("NoSuccessfulRun", "MetricName", "Failed"),
        ],
        "alarms_reach_people": [
            put("NewGaps", "AlarmActions", []), put("Topic", "Subscription", []), drop("Topic", "KmsMasterKeyId"),
            put("DeploymentFailed", "EventPattern", "detail", "eventName", ["SERVICE_DEPLOYMENT_COMPLETED"]),
        ],
    },
    "member-role": {
        "the_role_exists": [attribute("Reader", "Type", "AWS::IAM::User")],
        "only_the_collector_enters": [
            put("Reader", *STATEMENT, "Principal", "*"), drop("Reader", *STATEMENT, "Condition", "ArnEquals"),
            drop("Reader", *STATEMENT, "Condition", "StringEquals", "sts:ExternalId"),
            drop("Reader", *STATEMENT, "Condition", "StringEquals", "aws:PrincipalOrgID"),
            parameter("ExternalId", "NoEcho", False),
        ],
        "it_only_reads": [
            put("Reader", *READS, "Action", ["ec2:*"]), put("Reader", *READS, "Action", ["s3:PutObject"]),
            put("Reader", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
        ],
    },
}


@pytest.fixture(scope="module")
def judge(tools):
    """Judges many templates by one start of the engine."""

    def judged(cases):
        asked = [{"template": it, "rules": rules(name)} for name, it in cases]
        answered = tools.run("python", HERE / "guard_engine.py", stdin=json.dumps(asked))
        assert answered.returncode == 0, answered.stderr
        return json.loads(answered.stdout)

    return judged


def test_every_rule_has_a_mutation():
    assert {name: sorted(BROKEN[name]) for name in NAMES} == {name: sorted(named(name)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_template_keeps_every_rule(judge, name):
    (report,) = judge([(name, template.read(name))])
    assert report == {"status": "PASS", "PASS": sorted(named(name)), "FAIL": [], "SKIP": []}


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_refuses_the_template_that_breaks_it(judge, name):
    cases = [(rule, template.mutated(template.read(name), change))
             for rule, changes in BROKEN[name].items() for change in changes]
    reports = judge([(name, it) for _, it in cases])
    passed = [rule for (rule, _), report in zip(cases, reports) if rule not in report["FAIL"]]
    assert passed == []
