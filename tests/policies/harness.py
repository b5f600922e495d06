"""The contract of policies once more, independently: inputs, engine (rego-cpp) and harness in Python.

Nothing here is shared with crates/core/src/policy. What both must agree on is the resource and the verdict of every
row of every case in tests/policies/<check>/<case>.json.
"""

import ipaddress
import json
import pathlib

import regopy
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICIES = ROOT / "config" / "policies"
CASES = ROOT / "tests" / "policies"
NOW = "2026-11-22T02:00:00Z"
ORDER = ["pass", "not-applicable", "unknown", "fail"]


def metadata(check):
    """The YAML of a policy's METADATA block."""
    lines = (POLICIES / f"{check}.rego").read_text().splitlines()
    start = lines.index("# METADATA") + 1
    block = []
    for line in lines[start:]:
        if not line.startswith("#"):
            break
        block.append(line[2:])
    return yaml.safe_load("\n".join(block))["custom"]


def parameters(custom, profile, given):
    values = {
        name: parameter.get("default", parameter.get(profile))
        for name, parameter in (custom.get("parameters") or {}).items()
    }
    return values | given


def document(name, short):
    """What the short form of a case stands for."""
    region, item = name.split("/")
    calls = []
    for operation, answers in short.items():
        for answer in answers if isinstance(answers, list) else [{"output": answers}]:
            calls.append({"service": "aws", "parameters": {}} | answer | {"operation": operation})
    return {"account": "111122223333", "region": region, "item": item, "calls": calls}


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)


def ranges(value):
    table = {}
    for text in set(texts(value)):
        if "/" not in text:
            continue
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        width = network.max_prefixlen // 4
        first, last = int(network.network_address), int(network.broadcast_address)
        end = last == 2**network.max_prefixlen - 1
        table[text] = {
            "family": network.version,
            "first": f"{first:0{width}x}",
            "last": f"{last:0{width}x}",
            "next": None if end else f"{last + 1:0{width}x}",
        }
    return table


def prefix_lists(documents):
    lists = {}
    for value in documents.values():
        for call in value["calls"]:
            if call["operation"] == "GetManagedPrefixListEntries" and "output" in call:
                lists[call["parameters"]["PrefixListId"]] = [entry["Cidr"] for entry in call["output"]["Entries"]]
    return lists


def names(custom, item, region, documents):
    """Which documents an item has for a check."""
    if custom["scope"] == "account":
        return [name for name in documents if name.split("/")[1] == item] or [f"global/{item}"]
    if f"{region}/{item}" not in documents and f"global/{item}" in documents:
        return [f"global/{item}"]
    return [f"{region}/{item}"]


def missing(value, path, entry=None):
    """Entries (of the outermost list) in which a member is missing; None when there is no list."""
    if isinstance(value, list):
        for inner in value:
            yield from missing(inner, path, inner if entry is None else entry)
    elif path:
        inner = value.get(path[0]) if isinstance(value, dict) else None
        if inner is None:
            yield entry
        else:
            yield from missing(inner, path[1:], entry)


def lacks(custom, region, documents):
    """What is missing: sets of the texts that name the resources concerned."""
    found = []
    for item, calls in custom["inputs"].items():
        for name in names(custom, item, region, documents):
            if not isinstance(documents.get(name), dict):
                found.append(set())
                continue
            made = documents[name]["calls"]
            for operation, need in calls.items():
                mine = [call for call in made if call["operation"] == operation]
                if not mine and isinstance(need, list) and any("error" in call for call in made):
                    found.append(set())
                for call in mine if isinstance(need, list) else []:
                    if "error" in call:
                        found.append(set(texts(call["parameters"])))
                    elif "output" in call:
                        for field in need:
                            for entry in missing(call["output"], field.split(".")):
                                found.append(set(texts(call["parameters"] if entry is None else entry)))
                    elif "fact" not in call and "vanished" not in call:
                        found.append(set())
    return found


def evaluate(check, value):
    """`subjects` and `findings` by rego-cpp."""
    engine = regopy.Interpreter()
    for path in sorted((POLICIES / "lib").glob("*.rego")):
        engine.add_module(f"lib/{path.name}", path.read_text())
    engine.add_module(check, (POLICIES / f"{check}.rego").read_text())
    lists = {path.stem: json.loads(path.read_text()) for path in (POLICIES / "data").glob("*.json")}
    engine.add_data({"lists": lists})
    engine.set_input(value)
    # One rule at a time: the answer to the whole package would hold documents, whose quotes rego-cpp does not escape.
    rules = (f"data.evidenced.checks.{check}.{rule}" for rule in ("subjects", "findings"))
    return tuple(json.loads(str(engine.query(rule)))["expressions"][0] for rule in rules)


def rows(check, case):
    """(resource, verdict) of a case, sorted."""
    given = {
        name: short if isinstance(short, str) else document(name, short) for name, short in case["documents"].items()
    }
    region, profile = case.get("region", "eu-west-1"), case.get("profile", "guide")
    return judge(check, "111122223333", region, NOW, given, profile, case.get("parameters", {}))


def judge(check, account, region, now, given, profile="guide", settings=None):
    """(resource, verdict) in one place; `given` are documents, or the status of those that are not there, by name."""
    custom = metadata(check)
    first = next(iter(custom["inputs"]))
    for name in names(custom, first, region, given):
        if given.get(name) in ("region-disabled", "not-offered"):
            return [(None, "not-applicable")]
    wanted = {name for item in custom["inputs"] for name in names(custom, item, region, given)}
    documents = {name: value for name, value in given.items() if isinstance(value, dict) and name in wanted}
    values = parameters(custom, profile, settings or {})
    subjects, findings = evaluate(check, {
        "account": account,
        "region": region,
        "now": now,
        "profile": profile,
        "parameters": values,
        "cidrs": ranges([values, documents]),
        "documents": documents,
        "prefix_lists": prefix_lists(documents),
    })
    verdicts = {subject: "pass" for subject in subjects}
    strangers = set()
    for finding in findings:
        if finding["subject"] not in verdicts:
            strangers.add(finding["subject"])
        else:
            worse = [verdicts[finding["subject"]], finding["status"]]
            verdicts[finding["subject"]] = max(worse, key=ORDER.index)
    general = False
    for marks in lacks(custom, region, given):
        named = [s for s in verdicts if s in marks or any(len(p) >= 16 and p in marks for p in parts(s))]
        general = general or not named
        verdicts |= {subject: "unknown" for subject in named}
    if general:
        verdicts = {subject: "unknown" for subject in verdicts}
    found = sorted(verdicts.items()) + [(subject, "unknown") for subject in sorted(strangers)]
    return found or [(None, "unknown" if general else "not-applicable")]


def parts(subject):
    return subject.replace(":", "/").split("/")


def cases():
    for path in sorted(CASES.glob("*/*.json")):
        yield path.parent.name, path.stem, json.loads(path.read_text())
