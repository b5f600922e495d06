"""Random responses from botocore's models, read by us and by botocore: no difference.

The only difference that is allowed are members that no model has: the CLI drops them, we keep and list them. They are
taken out by our own list, and what is taken out must be what was sent.
"""

import copy
import itertools
import random

import converter
import reference
import responses

SEED = 20261122
RESPONSES_PER_OPERATION = 50
SHARES = [1, 0.9, 0.5, 0.2]


def test_every_response_reads_as_botocore_reads_it():
    rnd = random.Random(SEED)
    cases = []
    for service, operation in reference.operations():
        for number in range(RESPONSES_PER_OPERATION):
            futures = number % 3 == 2
            body, sent = responses.response(rnd, service, operation, SHARES[number % 4], futures)
            cases.append((service, operation, body, sent))
    answers = converter.convert(
        [converter.call(service.service_name, operation.name, [body]) for service, operation, body, _ in cases]
    )
    counts = {"xml": 0, "json": 0, "leaves": 0, "unknown": 0}
    problems = []
    for (service, operation, body, sent), answer in zip(cases, answers):
        if "error" in answer:
            problems.append((operation.name, answer["error"], body))
            continue
        page = answer["pages"][0]
        kept = reference.strip_unknown(page)
        theirs = reference.output(service, operation, body)
        different = list(reference.differences(page["output"], theirs))
        different += [f"unknown {line}" for line in reference.differences(kept, sent)]
        different += [f"anomaly {line}" for line in page["anomalies"]]
        if different:
            problems.append((operation.name, different[:5], body))
        counts["json" if service.metadata["protocol"] == "json" else "xml"] += 1
        counts["leaves"] += reference.leaves(theirs)
        counts["unknown"] += len(sent)
    print(f"seed {SEED}: {counts}")
    for name, what, body in problems[:5]:
        print(name, what, body[:2000], sep="\n")
    assert not problems, f"{len(problems)} of {len(cases)} differ (seed {SEED})"
    assert counts["xml"] >= 2000 and counts["unknown"] > 500, counts


def paged_calls(rnd, times):
    """(service, operation, bodies): calls of one to four pages of every paged operation."""
    for service, operation in reference.operations():
        row = reference.table(service.service_name, operation.name)
        if "paginator" not in row:
            continue
        (token_member,) = row["paginator"]["output_tokens"]
        for number in range(times):
            pages = number % 4 + 1
            bodies = []
            for page in range(1, pages + 1):
                last = page == pages
                # The last page has no token, or an empty one, or one that its flag makes void.
                token = f"token-{page} <&>" if not last else rnd.choice([None, ""])
                fixed = {token_member: token}
                if "more_results" in row["paginator"]:
                    fixed[row["paginator"]["more_results"]] = "false" if last else "true"
                    fixed[token_member] = rnd.choice([token, "void"]) if last else token
                bodies.append(responses.response(rnd, service, operation, rnd.choice([1, 0.7]), fixed=fixed)[0])
            yield service, operation, bodies


def documented_merge(row, pages):
    """Our own rule for what the CLI does not page: see evidenced_core::wire::merge."""
    if len(pages) == 1:
        return pages[0]
    out = {}
    for page in copy.deepcopy(pages):
        for key, value in page.items():
            if key in row["result_keys"]:
                out.setdefault(key, []).extend(value)
            elif key not in row["output_tokens"]:
                out.setdefault(key, value)
    return out


def test_merged_pages_are_what_the_cli_prints():
    rnd = random.Random(SEED + 1)
    cases = list(paged_calls(rnd, 12))
    answers = converter.convert(
        [converter.call(service.service_name, operation.name, bodies) for service, operation, bodies in cases]
    )
    problems = []
    theirs_count = 0
    for (service, operation, bodies), answer in zip(cases, answers):
        assert "error" not in answer, (operation.name, answer)
        parsed = [reference.output(service, operation, body) for body in bodies]
        model = reference.paginator(service, operation)
        if model is None:
            row = reference.table(service.service_name, operation.name)["paginator"]
            assert row["from_botocore"] is False
            expected, taken = documented_merge(row, parsed), len(bodies)
        else:
            theirs_count += 1
            expected, taken = reference.merged(model, copy.deepcopy(parsed))
        asked = 1 + sum(1 for _ in itertools.takewhile(lambda page: page["next"], answer["pages"]))
        different = list(reference.differences(answer["merged"], expected))
        if different or taken != len(bodies) or asked != len(bodies):
            problems.append((operation.name, taken, asked, len(bodies), different[:5]))
    print(f"seed {SEED + 1}: {len(cases)} paged calls, {theirs_count} against botocore")
    assert not problems, problems[:5]
    assert theirs_count > 300 and len(cases) > theirs_count
