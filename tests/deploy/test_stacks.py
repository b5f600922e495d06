"""The stacks deployed to an emulator: what arrives is asked of its API; what it drops is named, and held on the template.

ministack 1.5.33 takes every type of three templates, and eight of the fourth not; what it is known to lose is listed in DROPPED, and a test fails when
it no longer does, so that the list cannot grow old.
"""

import itertools
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import template

NUMBERS = itertools.count(1)
# Stack, property of the template, and how ministack answers instead.
DROPPED = {
    "bucket: ObjectLockConfiguration.Rule": "lock",
    "bucket: BucketEncryption is SSE-KMS": "encryption",
    "bucket: LifecycleConfiguration": "lifecycle",
    "bucket: LoggingConfiguration": "logging",
    "service: ContainerDefinitions.HealthCheck": "healthCheck",
    "service: ContainerDefinitions.Secrets": "secrets",
}


DEPLOYED = ["bucket", "service", "member-role"]
# Of network.yaml; it is held by cfn-lint, checkov and test_templates.py.
UNKNOWN = {
    "AWS::EC2::EIP", "AWS::EC2::FlowLog", "AWS::EC2::GatewayRouteTableAssociation", "AWS::EC2::NatGateway",
    "AWS::NetworkFirewall::Firewall", "AWS::NetworkFirewall::FirewallPolicy",
    "AWS::NetworkFirewall::LoggingConfiguration", "AWS::NetworkFirewall::RuleGroup",
}


def client(server, service):
    return boto3.client(
        service, endpoint_url=server.address, region_name=template.REGION, aws_access_key_id="testing",
        aws_secret_access_key="testing", config=Config(s3={"addressing_style": "path"}),
    )


def deployed(server, name, **given):
    cloudformation = client(server, "cloudformation")
    parameters = template.GIVEN[name] | given
    cloudformation.create_stack(
        StackName=f"evidenced-{name}", TemplateBody=(template.DEPLOY / f"{name}.yaml").read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=f"evidenced-{name}", WaiterConfig={"Delay": 1, "MaxAttempts": 60},
    )
    (stack,) = cloudformation.describe_stacks(StackName=f"evidenced-{name}")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    return {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])}


@pytest.fixture(scope="module")
def stacks(ministack):
    """All that it takes, each with the outputs of the one before: the order of docs/OPERATIONS.md."""
    ec2 = client(ministack, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.87.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.87.0.0/26")["Subnet"]["SubnetId"]
    network = {"VpcId": vpc, "VpcCidr": "10.87.0.0/24", "SubnetIds": subnet}
    bucket = deployed(ministack, "bucket")
    service = deployed(
        ministack, "service", VpcId=network["VpcId"], VpcCidr=network["VpcCidr"], SubnetIds=network["SubnetIds"],
        BucketName=bucket["BucketName"], BucketKeyArn=bucket["BucketKeyArn"],
    )
    member = deployed(ministack, "member-role", CollectorRoleArn=service["TaskRoleArn"])
    return {"network": network, "bucket": bucket, "service": service, "member-role": member}


@pytest.mark.parametrize("name", DEPLOYED)
def test_every_resource_arrives(ministack, stacks, name):
    arrived = client(ministack, "cloudformation").describe_stack_resources(StackName=f"evidenced-{name}")
    arrived = {it["LogicalResourceId"]: it["ResourceStatus"] for it in arrived["StackResources"]}
    assert arrived == dict.fromkeys(template.Stack(name).resources, "CREATE_COMPLETE")


def test_the_network_is_of_types_that_ministack_does_not_know(ministack):
    with pytest.raises(ClientError) as refused:
        deployed(ministack, "network")
    words = refused.value.response["Error"]["Message"]
    assert {word.strip(" []") for word in words.split(": ", 2)[2].split(",")} == UNKNOWN


@pytest.mark.parametrize("name", DEPLOYED)
def test_every_output_arrives(stacks, name):
    assert set(stacks[name]) == set(template.Stack(name).outputs())


def test_the_bucket_arrives_private_versioned_and_with_its_policy(ministack, stacks):
    s3, name = client(ministack, "s3"), stacks["bucket"]["BucketName"]
    public = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(public.values()) == {True} and len(public) == 4
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    ownership = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    wanted = template.Stack("bucket").properties("BucketPolicy")["PolicyDocument"]
    assert [it["Sid"] for it in policy["Statement"]] == [it["Sid"] for it in wanted["Statement"]]
    by_sid = {it["Sid"]: it for it in policy["Statement"]}
    assert by_sid["CreateOnly"]["NotResource"] == [
        f"arn:aws:s3:::{name}/v1/log/checkpoint", f"arn:aws:s3:::{name}/v1/status/*"]
    assert by_sid["NothingIsDeleted"].get("Condition") is None
    assert by_sid["HttpsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_service_arrives_as_one_task_that_stops_before_it_starts(ministack, stacks):
    ecs, outputs = client(ministack, "ecs"), stacks["service"]
    (service,) = ecs.describe_services(cluster=outputs["ClusterName"], services=["evidenced-prod"])["services"]
    assert service["desiredCount"] == 1 and service["launchType"] == "FARGATE"
    configuration = service["deploymentConfiguration"]
    assert (configuration["maximumPercent"], configuration["minimumHealthyPercent"]) == (100, 0)
    assert configuration["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    assert network["assignPublicIp"] == "DISABLED" and network["subnets"] == [stacks["network"]["SubnetIds"]]


def test_the_task_definition_arrives_hardened(ministack, stacks):
    ecs = client(ministack, "ecs")
    task = ecs.describe_task_definition(taskDefinition="evidenced-prod")["taskDefinition"]
    (container,) = task["containerDefinitions"]
    assert container["image"] == template.IMAGE and container["readonlyRootFilesystem"] is True
    assert container["user"] == "65532:65532" and container["command"] == ["run"]
    assert task["networkMode"] == "awsvpc" and task["requiresCompatibilities"] == ["FARGATE"]
    assert task["taskRoleArn"] == stacks["service"]["TaskRoleArn"]
    assert {"name": "EVIDENCED_IMAGE_DIGEST", "value": "sha256:" + "ab" * 32} in container["environment"]


def test_the_alarms_arrive_and_reach_the_topic(ministack, stacks):
    alarms = client(ministack, "cloudwatch").describe_alarms()["MetricAlarms"]
    by_metric = {it["MetricName"]: it for it in alarms}
    assert set(by_metric) == {"Stored", "GapsNew", "SlotsMissed", "SpoolOldest"}
    assert by_metric["Stored"]["TreatMissingData"] == "breaching"
    assert by_metric["Stored"]["EvaluationPeriods"] * by_metric["Stored"]["Period"] == 26 * 3600
    assert all(it["AlarmActions"] == [stacks["service"]["TopicArn"]] for it in alarms)


def test_the_log_group_keeps_its_lines(ministack, stacks):
    (group,) = client(ministack, "logs").describe_log_groups(logGroupNamePrefix="/evidenced/prod")["logGroups"][:1]
    assert group["retentionInDays"] == 400


def test_the_member_role_arrives_with_its_trust_and_its_policy(ministack, stacks):
    iam = client(ministack, "iam")
    role = iam.get_role(RoleName="EvidenceReader")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"]["ArnEquals"] == {"aws:PrincipalArn": stacks["service"]["TaskRoleArn"]}
    assert statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"] == "o-abcdefghij"
    policy = iam.get_role_policy(RoleName="EvidenceReader", PolicyName="evidenced-read")["PolicyDocument"]
    assert policy == template.Stack("member-role").properties("Reader")["Policies"][0]["PolicyDocument"]


def test_what_ministack_drops_is_what_is_listed_and_the_template_has_it(ministack, stacks):
    s3, name = client(ministack, "s3"), stacks["bucket"]["BucketName"]

    def lost(call, **more):
        try:
            answer = call(Bucket=name)
        except ClientError:
            return True
        return not more["found"](answer)

    container = client(ministack, "ecs").describe_task_definition(taskDefinition="evidenced-prod")
    (container,) = container["taskDefinition"]["containerDefinitions"]
    found = {
        "lock": lost(s3.get_object_lock_configuration, found=lambda it: "Rule" in it["ObjectLockConfiguration"]),
        "encryption": lost(s3.get_bucket_encryption, found=lambda it: "aws:kms" in json.dumps(it)),
        "lifecycle": lost(s3.get_bucket_lifecycle_configuration, found=lambda it: len(it["Rules"]) == 3),
        "logging": lost(s3.get_bucket_logging, found=lambda it: "LoggingEnabled" in it),
        "healthCheck": not container.get("healthCheck"),
        "secrets": [it.get("name") for it in container["secrets"]] != ["EVIDENCED_EXTERNAL_ID"],
    }
    assert {name for name, is_lost in found.items() if is_lost} == set(DROPPED.values())
    bucket, service = template.Stack("bucket").properties("Bucket"), template.Stack("service")
    retention = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert retention == {"Mode": "GOVERNANCE", "Days": 1098}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] == "example-evidence-access-log"
    container = service.properties("TaskDefinition")["ContainerDefinitions"][0]
    assert container["HealthCheck"]["Command"] == ["CMD", "/evidenced", "health"]
    assert [it["Name"] for it in container["Secrets"]] == ["EVIDENCED_EXTERNAL_ID"]


def test_the_lifecycle_never_ends_evidence_and_ends_the_rest_with_its_lock():
    stack = template.Stack("bucket", LockDays=30)
    rules = stack.properties("Bucket")["LifecycleConfiguration"]["Rules"]
    assert all("ExpirationInDays" not in rule for rule in rules)
    ends = [rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert ends == [30]
    (colder,) = [rule for rule in rules if "Transitions" in rule]
    assert colder["Prefix"] == "v1/bundles/"


# ---- Object Lock, by API: the emulators keep it there -------------------------------------------------------------------

@pytest.fixture(params=["moto", "ministack"])
def locked(request):
    """A bucket with the lock of the template, in COMPLIANCE."""
    s3 = client(request.getfixturevalue(request.param), "s3")
    properties = template.Stack("bucket", LockMode="COMPLIANCE").properties("Bucket")
    name = f"locked-{request.param}-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=properties["ObjectLockEnabled"])
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=properties["ObjectLockConfiguration"])
    return s3, name


def test_the_default_lock_is_on_what_is_written(locked):
    s3, name = locked
    s3.put_object(Bucket=name, Key="v1/a.zip", Body=b"one", ChecksumAlgorithm="SHA256")
    head = s3.head_object(Bucket=name, Key="v1/a.zip")
    assert head["ObjectLockMode"] == "COMPLIANCE"
    days = (head["ObjectLockRetainUntilDate"] - head["LastModified"]).days
    assert 1097 <= days <= 1098


def test_a_locked_version_is_not_deleted_with_or_without_bypass(locked):
    s3, name = locked
    version = s3.put_object(Bucket=name, Key="v1/b.zip", Body=b"one", ChecksumAlgorithm="SHA256")["VersionId"]
    for bypass in ({}, {"BypassGovernanceRetention": True}):
        with pytest.raises(ClientError) as refused:
            s3.delete_object(Bucket=name, Key="v1/b.zip", VersionId=version, **bypass)
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert s3.get_object(Bucket=name, Key="v1/b.zip", VersionId=version)["Body"].read() == b"one"


def test_an_object_is_created_once_and_the_checkpoint_is_swapped(locked):
    s3, name = locked
    s3.put_object(Bucket=name, Key="v1/c.zip", Body=b"one", IfNoneMatch="*", ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=name, Key="v1/c.zip", Body=b"two", IfNoneMatch="*", ChecksumAlgorithm="SHA256")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    put = s3.put_object(Bucket=name, Key="v1/log/checkpoint", Body=b"1", ChecksumAlgorithm="SHA256")
    s3.put_object(Bucket=name, Key="v1/log/checkpoint", Body=b"2", IfMatch=put["ETag"], ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=name, Key="v1/log/checkpoint", Body=b"3", IfMatch=put["ETag"], ChecksumAlgorithm="SHA256")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
