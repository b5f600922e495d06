"""The member role as a StackSet: the block of docs/OPERATIONS.md on moto, and the role in each account of the unit.

moto 5.2.1 keeps a service-managed StackSet and its instances; what it does not do with them is listed in DROPPED, and a
test fails when it does, so that the list cannot grow old. ministack 1.5.33 has no StackSets.
"""

import ast
import json
import pathlib
import re
import subprocess
import sys

import boto3
import pytest
from botocore.exceptions import ClientError

import emulators
import template

DOCUMENT = (template.DEPLOY.parent / "docs/OPERATIONS.md").read_text(encoding="utf-8")
TASK = f"arn:aws:iam::{template.ACCOUNT}:role/evidenced-prod-task"
EXTERNAL_ID = template.GIVEN["member-role"]["ExternalId"]


def client(server, service, **credentials):
    given = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"} | credentials
    return boto3.client(service, endpoint_url=server.address, region_name=template.REGION, **given)


def block():
    """The shell of step 5."""
    step = DOCUMENT.split("5. **Member roles**")[1].split("6. **Trust root.**")[0]
    return re.search(r"```sh\n(.*?)```", step, re.DOTALL).group(1)


class Set:
    def __init__(self, server):
        self.server = server
        organizations = client(server, "organizations")
        self.org = organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        root = organizations.list_roots()["Roots"][0]["Id"]
        self.unit = organizations.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]["Id"]
        self.accounts = []
        for name in ("one", "two"):
            made = organizations.create_account(Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]
            organizations.move_account(
                AccountId=made["AccountId"], SourceParentId=root, DestinationParentId=self.unit,
            )
            self.accounts.append(made["AccountId"])
        names = f"ID={EXTERNAL_ID} TASK_ROLE={TASK} ORG={self.org} UNITS={self.unit}\n"
        env = server.env(template.REGION) | {
            "AWS_PAGER": "", "PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin",
        }
        self.done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", names + block()], cwd=template.DEPLOY.parent, env=env,
            capture_output=True, text=True, check=False,
        )
        self.cloudformation = client(server, "cloudformation")

    def of(self, account, service):
        """A client in an account of the organisation, by its administrator role."""
        got = client(self.server, "sts").assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole", RoleSessionName="test",
        )["Credentials"]
        return client(
            self.server, service, aws_access_key_id=got["AccessKeyId"], aws_secret_access_key=got["SecretAccessKey"],
            aws_session_token=got["SessionToken"],
        )


@pytest.fixture(scope="module")
def stack_set():
    with emulators.moto() as server:
        yield Set(server)


def test_the_block_runs_as_written(stack_set):
    assert stack_set.done.returncode == 0, stack_set.done.stderr


def test_the_set_is_service_managed_with_the_shipped_template_and_its_parameters(stack_set):
    found = stack_set.cloudformation.describe_stack_set(StackSetName="evidenced-member-role")["StackSet"]
    assert found["PermissionModel"] == "SERVICE_MANAGED" and found["Status"] == "ACTIVE"
    assert found["TemplateBody"] == (template.DEPLOY / "member-role.yaml").read_text(encoding="utf-8")
    given = {it["ParameterKey"]: it["ParameterValue"] for it in found["Parameters"]}
    assert given == {"ExternalId": EXTERNAL_ID, "CollectorRoleArn": TASK, "OrganizationId": stack_set.org}


def test_accounts_as_targets_of_a_service_managed_set_are_refused(stack_set):
    with pytest.raises(ClientError) as refused:
        stack_set.cloudformation.create_stack_instances(
            StackSetName="evidenced-member-role", Accounts=stack_set.accounts, Regions=["us-east-1"],
        )
    assert "ValidationError" in str(refused.value)


def test_each_account_of_the_unit_gets_the_role_with_its_trust_and_the_printed_policy(stack_set):
    printed = subprocess.run(
        [emulators.program("evidenced"), "iam-policy"], capture_output=True, text=True, check=True,
    )
    summaries = stack_set.cloudformation.list_stack_instances(StackSetName="evidenced-member-role")["Summaries"]
    assert {it["Account"]: it["StackInstanceStatus"]["DetailedStatus"] for it in summaries} == dict.fromkeys(
        stack_set.accounts, "SUCCEEDED",
    )
    for account in stack_set.accounts:
        iam = stack_set.of(account, "iam")
        role = iam.get_role(RoleName="EvidenceReader")["Role"]
        assert role["Arn"] == f"arn:aws:iam::{account}:role/EvidenceReader"
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Effect"] == "Allow" and statement["Action"] == "sts:AssumeRole"
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{template.ACCOUNT}:root"}
        assert statement["Condition"] == {
            "ArnEquals": {"aws:PrincipalArn": TASK},
            "StringEquals": {"sts:ExternalId": EXTERNAL_ID, "aws:PrincipalOrgID": stack_set.org},
        }
        assert iam.list_role_policies(RoleName="EvidenceReader")["PolicyNames"] == ["evidenced-read"]
        assert iam.list_attached_role_policies(RoleName="EvidenceReader")["AttachedPolicies"] == []
        policy = iam.get_role_policy(RoleName="EvidenceReader", PolicyName="evidenced-read")["PolicyDocument"]
        # moto keeps the policies of a stack as Python writes them.
        policy = ast.literal_eval(policy) if isinstance(policy, str) else policy
        assert policy == json.loads(printed.stdout)


def test_the_management_account_gets_nothing_as_the_document_says(stack_set):
    with pytest.raises(ClientError) as refused:
        client(stack_set.server, "iam").get_role(RoleName="EvidenceReader")
    assert refused.value.response["Error"]["Code"] == "NoSuchEntity"
    assert "the management account is in no service-managed StackSet" in " ".join(DOCUMENT.split())


# What moto drops of the StackSet, and where it is held instead: `stack-set` of doctor --acceptance has the commands.
DROPPED = {
    "AutoDeployment is not told", "an account that joins the unit gets no instance", "Capabilities are not told",
}


def test_what_moto_drops_is_what_is_listed_and_the_document_asks_for_it(stack_set):
    cloudformation, organizations = stack_set.cloudformation, client(stack_set.server, "organizations")
    found = cloudformation.describe_stack_set(StackSetName="evidenced-member-role")["StackSet"]
    made = organizations.create_account(Email="three@example.com", AccountName="three")["CreateAccountStatus"]
    organizations.move_account(
        AccountId=made["AccountId"], SourceParentId=organizations.list_roots()["Roots"][0]["Id"],
        DestinationParentId=stack_set.unit,
    )
    summaries = cloudformation.list_stack_instances(StackSetName="evidenced-member-role")["Summaries"]
    dropped = {
        "AutoDeployment is not told": "AutoDeployment" not in found,
        "an account that joins the unit gets no instance": made["AccountId"] not in {it["Account"] for it in summaries},
        "Capabilities are not told": not found.get("Capabilities"),
    }
    assert {name for name, is_dropped in dropped.items() if is_dropped} == DROPPED
    assert "--auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false" in block()
    assert "--capabilities CAPABILITY_NAMED_IAM" in block()
