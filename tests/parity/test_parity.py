"""The `output` of every call of every document is what the AWS CLI prints for the same call at the same server.

Moto, ministack and the simulated AWS are asked by the collector, then by the CLI with the recorded parameters. See
differences.py for what may differ, and the tables below for what the emulators themselves make differ.
"""

import base64
import copy
import json

import boto3
import pytest

import collector
from differences import differences

SERVERS = ("moto", "ministack", "simcloud", "strange")

# What a server makes up anew for each request: (server, service, operation) -> {pointer pattern: reason}.
VOLATILE = {}

# Answers that we refuse and the CLI takes: (server, service, operation) -> (our code, reason).
REFUSED = {
    ("ministack", "s3", "GetBucketPolicyStatus"): (
        "WrongRoot",
        "ministack takes it for ListObjects and sends a list of objects; the CLI reads an empty status out of that",
    ),
}

# Calls of the catalogue that no server answers with anything: (service, operation) -> reason.
NEVER_FULL = {}

SAMPLE = 24  # calls for each server that go through the `aws` program itself


@pytest.fixture(params=SERVERS)
def observed(request):
    return request.getfixturevalue(request.param)


def credentials_of(observed):
    """A function from a call's account to the credentials that it was asked with."""
    if observed.roles is None:
        return lambda account: observed.server.credentials
    known = {}

    def assumed(account):
        if account not in known:
            sts = boto3.Session(
                aws_access_key_id=observed.server.credentials["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=observed.server.credentials["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1",
            ).client("sts", endpoint_url=observed.server.address)
            got = sts.assume_role(
                RoleArn=f"arn:aws:iam::{account}:role/{observed.roles['role_name']}", RoleSessionName="parity",
                ExternalId=observed.roles["external_id"],
            )["Credentials"]
            known[account] = {
                "AWS_ACCESS_KEY_ID": got["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": got["SecretAccessKey"],
                "AWS_SESSION_TOKEN": got["SessionToken"],
            }
        return known[account]

    return assumed


def judge(server, call, answer):
    """Lines that say how a recorded call and the CLI's answer disagree; none when they do not."""
    key = (server, call["service"], call["operation"])
    ended = call.get("fact") or call.get("vanished") or call.get("error")
    if ended:
        refused = REFUSED.get(key)
        if refused and ended["code"] == refused[0]:
            return []
        said = answer.code or f"success: {json.dumps(answer.output)[:200]}"
        return [] if ended["code"] == answer.code else [f"ours ended with {ended['code']}, the CLI's with {said}"]
    if answer.code:
        return [f"ours has an output, the CLI ended with {answer.code}"]
    return differences(
        copy.deepcopy(call["output"]), copy.deepcopy(answer.output), call.get("unknown", ()), call.get("redacted", ()),
        VOLATILE.get(key, ()),
    )


def report(server, judged):
    lines = [
        f"{server} {document['account']} {call['region']} {call['service']} {call['operation']} "
        f"{json.dumps(call['parameters'])[:200]}\n    " + "\n    ".join(found[:8])
        for (document, call), found in judged if found
    ]
    return f"{len(lines)} of {len(judged)} calls differ:\n" + "\n".join(lines[:40])


def test_every_output_is_what_the_aws_cli_prints(observed, cli):
    calls = observed.bundle.calls()
    credentials = credentials_of(observed)
    accounts = {id(call): document["account"] for document, call in calls}
    for account in set(accounts.values()):
        credentials(account)
    answers = cli.ask_all(
        [call for _, call in calls], observed.server.address, lambda call: credentials(accounts[id(call)]),
    )
    judged = [(pair, judge(observed.name, pair[1], answer)) for pair, answer in zip(calls, answers)]
    assert len(calls) > 100
    assert not any(found for _, found in judged), report(observed.name, judged)


def test_a_sample_agrees_with_the_aws_program_itself(observed, cli):
    """One call of each operation, as far as SAMPLE reaches: the worker that shares a CLI process is not trusted alone."""
    firsts = {}
    for document, call in observed.bundle.calls():
        firsts.setdefault((call["service"], call["operation"]), (document, call))
    sample = sorted(firsts.items())
    sample = [pair for _, pair in sample[:: max(1, len(sample) // SAMPLE)]]
    credentials = credentials_of(observed)
    accounts = {id(call): document["account"] for document, call in sample}
    for account in set(accounts.values()):
        credentials(account)
    answers = cli.ask_all(
        [call for _, call in sample], observed.server.address, lambda call: credentials(accounts[id(call)]), real=True,
    )
    judged = [(pair, judge(observed.name, pair[1], answer)) for pair, answer in zip(sample, answers)]
    assert len(judged) >= 20
    assert not any(found for _, found in judged), report(observed.name, judged)


def catalogue_calls():
    items = json.loads(collector.evidenced("items", "--output", "json"))
    return {(call["service"], call["operation"]) for item in items_of(items) for call in item["calls"]}


def items_of(printed):
    return printed["items"] if isinstance(printed, dict) else printed


def is_full(output):
    return any(value not in (None, "", [], {}) for value in output.values())


def test_every_call_of_the_catalogue_is_full_on_at_least_one_server(moto, ministack, simcloud):
    full = {
        (call["service"], call["operation"])
        for observed in (moto, ministack, simcloud) for _, call in observed.bundle.calls()
        if is_full(call.get("output") or {})
    }
    assert catalogue_calls() - full == set(NEVER_FULL)


def test_every_exception_is_still_needed(moto, ministack, simcloud):
    """An allowed difference that no longer happens is removed from the tables."""
    happened = set()
    for observed in (moto, ministack, simcloud):
        for _, call in observed.bundle.calls():
            key = (observed.name, call["service"], call["operation"])
            if key in REFUSED and (call.get("error") or {}).get("code") == REFUSED[key][0]:
                happened.add(key)
            if key in VOLATILE and call.get("output"):
                happened.add(key)
    assert set(REFUSED) | set(VOLATILE) == happened


def test_pages_were_joined_and_unknown_members_kept_where_there_were_any(strange):
    """Without this, the comparison with the strange server could be empty."""
    calls = [call for _, call in strange.bundle.calls() if "output" in call]
    assert len([call for call in calls if len(call["pages"]) > 1]) > 20
    assert len([call for call in calls if call.get("unknown")]) > len(calls) // 2


@pytest.mark.parametrize(("name", "planted"), [
    ("moto", ("canary.psk.1", "canary-client-secret", "canary-header-value", "canary-search-string")),
    ("strange", (collector.CANARY,)),
])
def test_no_planted_secret_is_in_the_bundle(request, name, planted):
    """Tags are kept, so a secret in a tag stays (docs/PRIVACY.md): the marker may stand in a tag's value only."""
    observed = request.getfixturevalue(name)
    redacted = [call for _, call in observed.bundle.calls() if call.get("redacted")]
    assert {call["operation"] for call in redacted} >= {"DescribeVpnConnections", "DescribeRules", "GetWebACL"}
    found = []
    for path, text in observed.bundle.texts.items():
        for secret in planted:
            for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
                bare = text.replace(f'{{"Key":"canary","Value":"{secret}"}}', "")
                found += [f"{path}: {form}"] if form in bare else []
    assert found == []


def test_every_planned_cell_has_a_row_and_every_document_a_cell(observed):
    rows = {(row["account"], row["region"], row["item"]): row for row in rows_of(observed.bundle.run)}
    for name, document in observed.bundle.documents.items():
        row = rows[document["account"], document["region"], document["item"]]
        assert row["status"] == document["status"], name
        assert name.endswith(row["file"]), name


def rows_of(run):
    return run.get("cells") or run.get("rows") or []
