"""docs/THREATS.md claims no test that is not there."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = [*ROOT.glob("crates/*/src/**/*.rs"), *ROOT.glob("crates/*/tests/**/*.rs"), *ROOT.glob("src/**/*.rs"),
           *ROOT.glob("tests/**/*.rs"), *ROOT.glob("tests/**/*.py")]


def rows():
    """Number to the last cell, of the table of attempts."""
    text = (ROOT / "docs" / "THREATS.md").read_text(encoding="utf-8")
    found = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines()
             if re.match(r"\| \d+ \|", line)]
    assert all(len(cells) == 5 for cells in found)
    return {int(cells[0]): cells[4] for cells in found}


def test_every_test_that_the_threats_name_exists():
    defined = set()
    for path in SOURCES:
        if "node_modules" not in path.parts:
            defined.update(re.findall(r"\b(?:fn|def) (?:test_)?([a-z][a-z0-9_]*)", path.read_text(encoding="utf-8")))
    named = {name.removeprefix("test_") for cell in rows().values() for name in re.findall(r"`([a-z0-9_]+)`", cell)}
    assert len(named) > 30
    assert named - defined == set()


def test_every_row_names_a_test_or_says_that_there_is_none():
    assert set(rows()) >= set(range(1, 38)) - {35}
    for number, cell in rows().items():
        assert re.search(r"`[a-z0-9_]+`", cell) or "not there yet" in cell, number
