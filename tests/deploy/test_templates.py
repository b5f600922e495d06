"""The templates as other tools see them, and the names that they share with the program."""

import json
import re
import subprocess

import pytest

import emulators
import template

ROOT = template.DEPLOY.parent
# Every check of checkov that does not hold, with the resource; the reason stands beside it in the template.
SKIPPED = {("CKV_AWS_18", "AWS::S3::Bucket.AccessLog")}


@pytest.mark.parametrize("name", template.NAMES)
def test_cfn_lint_has_nothing_to_say(tools, name):
    judged = tools.run("cfn-lint", "--non-zero-exit-code", "informational", template.DEPLOY / f"{name}.yaml")
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_cfn_lint_does_find_a_misspelt_property(tools, tmp_path):
    text = (template.DEPLOY / "service.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "service.yaml"
    wrong.write_text(text.replace("ReadonlyRootFilesystem:", "ReadonlyRootFileSystem:"), encoding="utf-8")
    judged = tools.run("cfn-lint", wrong)
    assert judged.returncode != 0 and "ReadonlyRootFileSystem" in judged.stdout


def test_checkov_fails_nothing_but_what_is_skipped_with_a_reason(tools):
    files = [argument for name in template.NAMES for argument in ("-f", template.DEPLOY / f"{name}.yaml")]
    judged = tools.run("checkov", "--skip-download", "--framework", "cloudformation", "-o", "json", *files)
    results = json.loads(judged.stdout)["results"]
    failed = [(it["check_id"], it["resource"]) for it in results["failed_checks"]]
    assert failed == [] and results["parsing_errors"] == []
    skipped = {(it["check_id"], it["resource"]) for it in results["skipped_checks"]}
    assert skipped == SKIPPED
    reasons = [it["check_result"]["suppress_comment"] for it in results["skipped_checks"]]
    assert all(len(reason) > 20 for reason in reasons), reasons
    assert len(results["passed_checks"]) >= 70


def test_checkov_does_find_an_open_door(tools, tmp_path):
    text = (template.DEPLOY / "bucket.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "bucket.yaml"
    wrong.write_text(text.replace("BlockPublicPolicy: true", "BlockPublicPolicy: false"), encoding="utf-8")
    judged = tools.run("checkov", "--skip-download", "--framework", "cloudformation", "-o", "json", "-f", wrong)
    assert "CKV_AWS_54" in {it["check_id"] for it in json.loads(judged.stdout)["results"]["failed_checks"]}


@pytest.mark.parametrize("name", template.NAMES)
def test_every_parameter_is_explained_and_bounded(name):
    for key, parameter in template.read(name)["Parameters"].items():
        assert len(parameter["Description"]) > 10, key
        own_type = parameter["Type"].startswith(("AWS::", "List<AWS::"))
        bounds = {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter)
        assert own_type or bounds, f"{key} takes anything"
        pattern = parameter.get("AllowedPattern", "^$")
        assert pattern.startswith("^") and pattern.endswith("$"), key


@pytest.mark.parametrize("name", template.NAMES)
def test_every_output_says_where_it_goes(name):
    read = template.read(name)
    stack = template.Stack(name)
    for key, output in read["Outputs"].items():
        assert output["Description"], key
    assert all(stack.outputs().values())
    for text in (output["Description"] for output in read["Outputs"].values()):
        for other, parameter in re.findall(r"([a-z-]+)\.yaml: (\w+)", text):
            assert parameter in template.read(other)["Parameters"], text


@pytest.mark.parametrize("value", [
    "evidenced:latest", f"{template.ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/evidenced-prod:1.0.0",
    template.IMAGE[:-1], template.IMAGE + "0", "docker.io/evidenced@sha256:" + "a" * 64,
])
def test_an_image_that_is_not_named_by_digest_is_refused(value):
    with pytest.raises(ValueError, match="Image"):
        template.Stack("service", Image=value)


@pytest.mark.parametrize("name, key, value", [
    ("bucket", "AdministratorRoleArn", "arn:aws:iam::111122223333:user/somebody"), ("bucket", "LockMode", "NONE"),
    ("bucket", "LockDays", 0), ("bucket", "Prefix", "v1"), ("bucket", "Prefix", "/v1/"), ("bucket", "Prefix", "*/"),
    ("bucket", "WriterRoleName", "*"), ("member-role", "ExternalId", "short"), ("member-role", "OrganizationId", "*"),
    ("member-role", "CollectorRoleArn", "arn:aws:iam::111122223333:root"), ("service", "LogDays", 30),
    ("service", "Scope", "Prod"), ("service", "MemberRoleName", "*"), ("service", "BucketKeyArn", "alias/evidence"),
])
def test_a_parameter_that_would_open_something_is_refused(name, key, value):
    with pytest.raises(ValueError, match=key):
        template.Stack(name, **{key: value})


def test_the_first_deployment_makes_keys_and_roles_and_no_task():
    without, with_image = template.Stack("service", Image=""), template.Stack("service")
    types = {it["Type"] for it in without.resources.values()}
    assert not types & {"AWS::ECS::TaskDefinition", "AWS::ECS::Service", "AWS::CloudWatch::Alarm"}
    assert {"EvidenceKeyArn", "LogKeyArn", "RepositoryUri", "TaskRoleArn"} <= set(without.outputs())
    assert set(with_image.resources) - set(without.resources) == {
        "TaskDefinition", "Service", "NoSuccessfulRun", "NewGaps", "SlotsMissed", "SpoolAge",
    }


def test_the_two_networks_leave_the_other_one_out():
    out, inside = template.Stack("network"), template.Stack("network", NetworkMode="regional-workers")
    kinds = [{it["Type"] for it in stack.resources.values()} for stack in (out, inside)]
    assert {"AWS::EC2::NatGateway", "AWS::NetworkFirewall::Firewall"} <= kinds[0]
    assert not kinds[1] & {"AWS::EC2::NatGateway", "AWS::EC2::InternetGateway", "AWS::NetworkFirewall::Firewall"}
    names = out.properties("Names")["RuleGroup"]["RulesSource"]["RulesSourceList"]
    assert names["GeneratedRulesType"] == "ALLOWLIST"
    assert names["Targets"] == [".amazonaws.com", ".api.aws", "timestamp.digicert.com"]
    endpoints = [it for it in inside.resources.values() if it["Type"] == "AWS::EC2::VPCEndpoint"]
    asked = {inside.value(it)["Properties"]["ServiceName"].split(".", 3)[3] for it in endpoints}
    assert {"ec2", "elasticloadbalancing", "wafv2", "config", "acm", "sts", "logs", "kms", "s3"} <= asked
    everywhere, here = ("0.0.0.0/0", 443), ("10.0.0.0/16", 443)
    for mode, expected in (
        ("egress-allowlist", [everywhere, ("0.0.0.0/0", 80)]),
        ("regional-workers", [here, ("pl-0123456789abcdef0", 443)]),
    ):
        service = template.Stack("service", NetworkMode=mode, S3PrefixListId="pl-0123456789abcdef0")
        rules = service.properties("SecurityGroup")["SecurityGroupEgress"]
        reached = [(rule.get("CidrIp") or rule["DestinationPrefixListId"], rule["FromPort"]) for rule in rules]
        assert [it for it in reached if it[0] != "127.0.0.1/32"] == expected


def metrics():
    """Names that the program prints in CloudWatch's embedded metric format, from where it prints them."""
    source = (ROOT / "src/daemon/embedded.rs").read_text(encoding="utf-8").split("#[cfg(test)]")[0]
    return set(re.findall(r'\("([A-Z][A-Za-z]+)", "(?:Seconds|None|Count|Bytes)"', source)), source


def test_every_alarm_is_about_a_metric_that_the_program_prints():
    stack, (names, source) = template.Stack("service"), metrics()
    alarms = {name: stack.properties(name) for name, it in stack.resources.items()
              if it["Type"] == "AWS::CloudWatch::Alarm"}
    assert {"Stored", "GapsNew", "SpoolOldest", "SlotsMissed"} <= names
    assert {alarm["MetricName"] for alarm in alarms.values()} <= names
    for alarm in alarms.values():
        assert f'"Namespace": "{alarm["Namespace"]}"' in source
        assert '"Dimensions": [["scope"]]' in source
        assert alarm["Dimensions"] == [{"Name": "scope", "Value": "prod"}]
    documented = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in documented for name in names)


def test_silence_for_26_hours_is_an_alarm_within_the_limits_of_cloudwatch():
    alarm = template.Stack("service").properties("NoSuccessfulRun")
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 26 * 3600
    # At most seven days where a period is an hour or more.
    assert alarm["Period"] >= 3600 and alarm["TreatMissingData"] == "breaching"


def test_the_health_check_and_the_command_are_of_the_program():
    container = template.Stack("service").properties("TaskDefinition")["ContainerDefinitions"][0]
    program = emulators.program("evidenced")
    _, path, *arguments = container["HealthCheck"]["Command"]
    assert path == "/evidenced"
    for command in (arguments, container["Command"]):
        printed = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=False)
        assert printed.returncode == 0 and "EVIDENCED_CONFIG" in printed.stdout
    names = {it["Name"]: it["Value"] for it in container["Environment"]}
    assert names["EVIDENCED_IMAGE_DIGEST"] == "sha256:" + "ab" * 32


def test_a_task_has_longer_to_stop_than_the_program_takes():
    text = (ROOT / "config/evidenced.toml").read_text(encoding="utf-8")
    grace = int(re.search(r'^shutdown_grace = "(\d+)s"', text, re.MULTILINE).group(1))
    container = template.Stack("service").properties("TaskDefinition")["ContainerDefinitions"][0]
    assert grace + 30 <= container["StopTimeout"] <= 120
