"""deny.toml, held by `cargo metadata`: licences, sources, banned crates, duplicates.

cargo-deny reads the same file; compiling it takes longer than everything else that CI does, so the parts of it that
need no advisory database are checked here. Refused: a licence, a source or a second version that the file does not
name, and a licence in the file that nothing needs any more.
"""

import json
import pathlib
import re
import subprocess
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rules():
    return tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def packages(rules):
    """Every package of the tree on the first target, all features, development dependencies too."""
    printed = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features",
         "--filter-platform", rules["graph"]["targets"][0]],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout
    return json.loads(printed)["packages"]


def satisfied(expression, allowed):
    """Whether an SPDX expression (with OR, AND, WITH, parentheses; `/` as older crates write OR) can be satisfied."""
    words = re.findall(r"\(|\)|[^\s()/]+|/", expression)

    def either():
        found = both()
        while words and words[0] in ("OR", "/"):
            words.pop(0)
            found = both() or found
        return found

    def both():
        found = one()
        while words and words[0] == "AND":
            words.pop(0)
            found = one() and found
        return found

    def one():
        word = words.pop(0)
        if word == "(":
            found = either()
            words.pop(0)
            return found
        if words and words[0] == "WITH":
            word = " ".join((word, words.pop(0), words.pop(0)))
        return word in allowed

    return either()


def test_every_licence_is_allowed(packages, rules):
    allowed = set(rules["licenses"]["allow"])
    refused = {p["name"]: p["license"] for p in packages if not satisfied(p["license"] or "none", allowed)}
    assert refused == {}


def test_every_allowed_licence_is_needed(packages, rules):
    allowed = rules["licenses"]["allow"]
    idle = [
        licence for licence in allowed
        if all(satisfied(p["license"] or "none", set(allowed) - {licence}) for p in packages)
    ]
    assert idle == []


def test_no_banned_crate_is_in_the_tree(packages, rules):
    banned = {ban["name"]: ban["reason"] for ban in rules["bans"]["deny"]}
    assert {p["name"]: banned[p["name"]] for p in packages if p["name"] in banned} == {}


def test_every_second_version_has_a_reason(packages, rules):
    versions = {}
    for package in packages:
        versions.setdefault(package["name"], set()).add(tuple(map(int, re.findall(r"\d+", package["version"])[:3])))
    older = {
        f"{name}@{'.'.join(map(str, version))}"
        for name, found in versions.items() for version in sorted(found)[:-1]
    }
    assert older - {skip["crate"] for skip in rules["bans"]["skip"]} == set()


def test_every_crate_is_of_the_registry_or_of_this_workspace(packages):
    foreign = {
        p["name"]: p["source"] for p in packages if p["source"] and not p["source"].startswith("registry+")
    }
    assert foreign == {}


@pytest.mark.parametrize(("expression", "expected"), [
    ("MIT", True), ("MIT OR GPL-3.0", True), ("MIT AND GPL-3.0", False), ("MIT/GPL-3.0", True),
    ("(GPL-3.0 OR MIT) AND MIT", True), ("GPL-3.0 AND (MIT OR MIT)", False), ("Apache-2.0 WITH LLVM-exception", False),
])
def test_expressions_are_read_as_spdx_says(expression, expected):
    assert satisfied(expression, {"MIT"}) is expected
