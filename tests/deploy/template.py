"""CloudFormation templates as values: read, and resolved for given parameters.

Promises: what a template says, with its functions as CloudFormation evaluates them; a reference to nothing is an error.
Refused: a function that the templates of deploy/ do not use, YAML aliases (CloudFormation has none).
"""

import copy
import ipaddress
import pathlib
import re

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
NAMES = ["bucket", "service", "member-role", "network"]
REGION, ACCOUNT = "us-east-1", "111122223333"
NO_VALUE = object()

# What the stacks are deployed with in these tests.
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/evidenced-prod@sha256:{'ab' * 32}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-0000-4000-8000-000000000000"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/deployer"
GIVEN = {
    "bucket": {
        "BucketName": "example-evidence", "Prefix": "v1/", "WriterAccountId": ACCOUNT,
        "WriterRoleName": "evidenced-prod-task", "ReaderAccountId": "444455556666", "AdministratorRoleArn": ADMINISTRATOR,
    },
    "service": {
        "Image": IMAGE, "BucketName": "example-evidence", "BucketPrefix": "v1/", "BucketKeyArn": KEY,
        "OrganizationId": "o-abcdefghij", "VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-0123456789abcdef0",
        "ExternalIdSecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:evidenced/external-id-AbCdEf",
        "KeyAdministratorRoleArn": ADMINISTRATOR, "AlarmEmail": "security@example.com",
    },
    "member-role": {
        "CollectorRoleArn": f"arn:aws:iam::{ACCOUNT}:role/evidenced-prod-task", "OrganizationId": "o-abcdefghij",
        "ExternalId": "external-id-of-a-test",
    },
    "network": {},
}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms; every value that is not a number or a truth is a text."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise ValueError("an alias: CloudFormation has none")
        return super().compose_node(parent, index)


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    value = loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else (
        loader.construct_mapping(node, deep=True))
    return {name: value}


Loader.add_multi_constructor("!", _function)


def read(name):
    return yaml.load((DEPLOY / f"{name}.yaml").read_text(encoding="utf-8"), Loader)  # noqa: S506: our own loader


class Stack:
    """A template with its parameters."""

    def __init__(self, name, **given):
        self.template = read(name)
        values = {key: it.get("Default") for key, it in self.template["Parameters"].items()}
        values |= GIVEN[name] | given
        unknown = set(values) - set(self.template["Parameters"])
        missing = sorted(key for key, value in values.items() if value is None)
        assert not unknown and not missing, (unknown, missing)
        for key, value in values.items():
            check(key, self.template["Parameters"][key], value)
        self.values = values
        self.resources = {
            name: resource for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def properties(self, name):
        return self.value(self.resources[name].get("Properties", {}))

    def outputs(self):
        outputs = self.template.get("Outputs", {})
        return {
            name: self.value(it["Value"]) for name, it in outputs.items()
            if "Condition" not in it or self.condition(it["Condition"])
        }

    def condition(self, name):
        return self._truth(self.template["Conditions"][name])

    def _truth(self, it):
        (function, argument), = it.items()
        if function == "Condition":
            return self.condition(argument)
        if function == "Fn::Not":
            return not self._truth(argument[0])
        if function == "Fn::Equals":
            return str(self.value(argument[0])) == str(self.value(argument[1]))
        raise ValueError(f"condition {function}")

    def value(self, it):
        """As CloudFormation would hand it to the resource."""
        if isinstance(it, list):
            return [found for found in map(self.value, it) if found is not NO_VALUE]
        if not isinstance(it, dict):
            return it
        if len(it) == 1:
            (function, argument), = it.items()
            if function == "Ref":
                return self._ref(argument)
            if function.startswith("Fn::"):
                return self._call(function, argument)
        found = {key: self.value(value) for key, value in it.items()}
        return {key: value for key, value in found.items() if value is not NO_VALUE}

    def _call(self, function, argument):
        if function == "Fn::GetAtt":
            return self._attribute(*argument)
        if function == "Fn::Sub":
            text, local = (argument, {}) if isinstance(argument, str) else (argument[0], self.value(argument[1]))

            def named(match):
                name = match.group(1)
                if name in local:
                    return local[name]
                return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

            return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", named, text)
        if function == "Fn::If":
            return self.value(argument[1] if self.condition(argument[0]) else argument[2])
        if function == "Fn::Select":
            return self.value(argument[1])[int(argument[0])]
        if function == "Fn::Split":
            return self.value(argument[1]).split(argument[0])
        if function == "Fn::GetAZs":
            return [f"{REGION}a", f"{REGION}b"]
        if function == "Fn::Cidr":
            block, count, bits = self.value(argument)
            subnets = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
            return [str(subnet) for subnet, _ in zip(subnets, range(int(count)))]
        raise ValueError(f"function {function}")

    def _ref(self, name):
        pseudo = {
            "AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::NoValue": NO_VALUE,
            "AWS::StackName": "evidenced",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.values:
            value = self.values[name]
            listed = self.template["Parameters"][name]["Type"].startswith("List<")
            return value.split(",") if listed else value
        resource = self.template["Resources"][name]
        properties = resource.get("Properties", {})
        named = {"AWS::S3::Bucket": "BucketName", "AWS::IAM::Role": "RoleName", "AWS::ECS::Cluster": "ClusterName",
                 "AWS::Logs::LogGroup": "LogGroupName"}
        if resource["Type"] in named and named[resource["Type"]] in properties:
            return self.value(properties[named[resource["Type"]]])
        if resource["Type"] == "AWS::SNS::Topic":
            return f"arn:aws:sns:{REGION}:{ACCOUNT}:{self.value(properties['TopicName'])}"
        return f"ref-of-{name}"

    def _attribute(self, name, attribute):
        kind, properties = self.template["Resources"][name]["Type"], self.properties_of(name)
        arns = {
            "AWS::S3::Bucket": lambda: f"arn:aws:s3:::{self.value(properties['BucketName'])}",
            "AWS::IAM::Role": lambda: f"arn:aws:iam::{ACCOUNT}:role/{self.value(properties['RoleName'])}",
            "AWS::KMS::Key": lambda: f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}",
            "AWS::ECS::Cluster": lambda: f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{self.value(properties['ClusterName'])}",
            "AWS::ECR::Repository":
                lambda: f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{self.value(properties['RepositoryName'])}",
            "AWS::Logs::LogGroup":
                lambda: f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{self.value(properties['LogGroupName'])}:*",
        }
        if attribute == "Arn" and kind in arns:
            return arns[kind]()
        if attribute == "EndpointIds":
            return [f"{REGION}a:vpce-0123456789abcdef0"]
        return f"{attribute}-of-{name}"

    def properties_of(self, name):
        return self.template["Resources"][name].get("Properties", {})


def check(name, parameter, value):
    """What CloudFormation says of a parameter's value before it does anything."""
    text = str(value)
    pattern, allowed = parameter.get("AllowedPattern"), parameter.get("AllowedValues")
    if pattern and not re.search(f"^(?:{pattern})$", text):
        raise ValueError(f"{name}: {text!r} does not match {pattern}")
    if allowed and text not in map(str, allowed):
        raise ValueError(f"{name}: {text!r} is not one of {allowed}")
    if parameter["Type"] == "Number":
        number = int(text)
        if not parameter.get("MinValue", number) <= number <= parameter.get("MaxValue", number):
            raise ValueError(f"{name}: {number} is out of range")


def mutated(template, change):
    """A copy with one change."""
    other = copy.deepcopy(template)
    change(other)
    assert other != template, "the mutation changes nothing"
    return other
