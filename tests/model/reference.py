"""botocore's own reading of a response, with the CLI's scalar parsers: what the CLI prints."""

import json
from pathlib import Path
from types import SimpleNamespace

import botocore.session
from botocore import handlers, paginate, parsers
from botocore.utils import parse_timestamp

SHAPES = Path(__file__).resolve().parents[2] / "config" / "shapes"
SESSION = botocore.session.get_session()


def operations():
    """(service model, operation model) of everything in the tables."""
    for path in sorted(SHAPES.glob("*.json")):
        table = json.loads(path.read_text())
        if "operations" in table:
            service = SESSION.get_service_model(table["service"])
            for name in table["operations"]:
                yield service, service.operation_model(name)


def table(service, operation):
    """Our own table's row of an operation."""
    return json.loads((SHAPES / f"{service}.json").read_text())["operations"][operation]


def parser(service):
    # cli_timestamp_format = iso8601; blobs stay the base64 text that they are.
    return parsers.PROTOCOL_PARSERS[service.metadata["protocol"]](
        timestamp_parser=lambda value: parse_timestamp(value).isoformat(), blob_parser=lambda value: value
    )


def parsed(service, operation, body, status=200, headers=None):
    answer = {"status_code": status, "headers": headers or {}, "body": body}
    out = parser(service).parse(answer, operation.output_shape)
    if operation.name == "GetBucketLocation" and status == 200:
        handlers.parse_get_bucket_location(out, SimpleNamespace(raw=True, content=body))
    return out


def output(service, operation, body):
    out = parsed(service, operation, body)
    out.pop("ResponseMetadata", None)
    return out


def paginator(service, operation):
    """botocore's paginator configuration of an operation, or None."""
    try:
        return SESSION.get_paginator_model(service.service_name).get_paginator(operation.name)
    except ValueError:
        return None


def merged(configuration, pages):
    """What the CLI prints for these pages, and how many of them it asked for."""
    asked = iter(pages)
    taken = []

    def ask(**_parameters):
        taken.append(next(asked))
        return taken[-1]

    result = paginate.Paginator(ask, configuration, None).paginate().build_full_result()
    return result, len(taken)


def differences(ours, theirs, place=""):
    """Every place where two JSON values differ; 1 is not true, 3 is 3.0."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            if key not in ours or key not in theirs:
                yield f"{place}/{key}: only {'theirs' if key not in ours else 'ours'}"
            else:
                yield from differences(ours[key], theirs[key], f"{place}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{place}: {len(ours)} elements, theirs {len(theirs)}"
        for index, (one, other) in enumerate(zip(ours, theirs)):
            yield from differences(one, other, f"{place}/{index}")
    elif isinstance(ours, bool) != isinstance(theirs, bool) or ours != theirs:
        yield f"{place}: {ours!r}, theirs {theirs!r}"


def leaves(value):
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    if isinstance(value, list):
        return sum(map(leaves, value))
    return 1


def take_out(value, steps):
    """Removes what a pointer (`*` = every element) names; yields (key, removed value)."""
    if value is None:
        return
    if steps[0] == "*" and len(steps) > 1:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from take_out(inner, steps[1:])
    elif len(steps) == 1:
        if isinstance(value, dict) and steps[0] in value:
            yield steps[0], value.pop(steps[0])
    elif isinstance(value, dict) and steps[0] in value:
        yield from take_out(value[steps[0]], steps[1:])


def strip_unknown(page):
    """Takes the members that our answer lists as unknown out of it; gives them back by name."""
    found = {}
    for pointer in page["unknown"]:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        removed = list(take_out(page["output"], steps))
        assert removed, f"nothing at {pointer}"
        found.update(removed)
    return found
