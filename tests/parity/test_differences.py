"""The comparison itself: what it lets pass, by name, and that it lets nothing else pass."""

import copy

import aws_cli
import pytest
from differences import differences

OURS = {"Groups": [{"Id": "a", "Odd": 1, "Key": "<removed>"}, {"Id": "b", "Odd": [2]}], "Next/Slash": {"At": "1"}}
THEIRS = {"Groups": [{"Id": "a", "Key": "secret"}, {"Id": "b"}], "Next/Slash": {"At": "1"}}
UNKNOWN, REDACTED = ["/Groups/*/Odd"], ["/Groups/0/Key"]


def compared(ours=OURS, theirs=THEIRS, unknown=UNKNOWN, redacted=REDACTED, volatile=()):
    return differences(copy.deepcopy(ours), copy.deepcopy(theirs), unknown, redacted, volatile)


def test_listed_unknown_members_and_redactions_may_differ():
    assert compared() == []


def test_an_unknown_member_that_is_not_listed_differs():
    assert compared(unknown=()) == ["/Groups/0/Odd: only ours: 1", "/Groups/1/Odd: only ours: [2]"]


def test_a_redaction_that_is_not_listed_differs():
    assert compared(redacted=()) == ["/Groups/0/Key: ours '<removed>', the CLI's 'secret'"]


def test_a_redaction_of_what_was_never_sent_is_told():
    assert "/Groups/1/Key: redacted, but the CLI shows no value there" in compared(redacted=[*REDACTED, "/Groups/1/Key"])


def test_volatile_values_may_differ_on_both_sides():
    theirs = copy.deepcopy(THEIRS)
    theirs["Next/Slash"]["At"] = "2"
    assert compared(theirs=theirs) == ["/Next/Slash/At: ours '1', the CLI's '2'"]
    assert compared(theirs=theirs, volatile=["/Next~1Slash/At"]) == []


@pytest.mark.parametrize(("ours", "theirs"), [
    ({"A": [1]}, {"A": [1, 2]}), ({"A": []}, {}), ({"A": None}, {}), ({"A": "1"}, {"A": 1}), ({"A": True}, {"A": 1}),
    ({"A": [{"B": 1}, {"B": 2}]}, {"A": [{"B": 2}, {"B": 1}]}), ({}, {"A": ""}),
])
def test_lengths_types_order_and_absence_count(ours, theirs):
    assert len(compared(ours, theirs, (), ())) > 0
    assert len(compared(theirs, ours, (), ())) > 0


@pytest.mark.parametrize(("service", "operation", "left"), [
    ("ec2", "DescribeVpcs", {"Filters": 1}), ("wafv2", "ListWebACLs", {"Scope": 1}), ("config", "DescribeConfigRules", {}),
    ("elbv2", "DescribeLoadBalancers", {}), ("s3", "ListBuckets", {}), ("acm", "ListCertificates", {"Includes": 1}),
])
def test_the_cli_pages_by_itself(service, operation, left):
    tokens = ("MaxResults", "NextToken", "Limit", "NextMarker", "Marker", "PageSize", "MaxBuckets", "ContinuationToken")
    pager = aws_cli.paging_words(service, operation)
    asked = left | {name: 1 for name in tokens if name in pager}
    assert aws_cli.without_paging(service, operation, asked) == left
    assert pager


@pytest.mark.parametrize(("operation", "command"), [
    ("DescribeSSLPolicies", "describe-ssl-policies"), ("ListWebACLs", "list-web-acls"), ("GetIPSet", "get-ip-set"),
    ("ListResourcesForWebACL", "list-resources-for-web-acl"), ("DescribeVpcs", "describe-vpcs"),
])
def test_commands_are_spelt_as_the_cli_spells_them(operation, command):
    assert aws_cli.command_name(operation) == command
