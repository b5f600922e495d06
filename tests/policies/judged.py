"""Collected accounts and what the checks say of them: one collection for all tests, rows by resource.

The program collects; `policy-rows` (an example of crates/core) judges what is in the bundle with the engine that runs
use. Refused: a row twice.
"""

import json
import pathlib
import subprocess
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "emulators"), str(HERE.parent / "parity")]

import collector  # noqa: E402
import emulators  # noqa: E402
import populate  # noqa: E402, F401 - for the tests that fill a server

REGIONS = ["us-east-1", "eu-central-1"]
PLACES = [*REGIONS, "global"]
NOW = "2026-11-22T02:00:00Z"


class Judged:
    """A bundle that was collected from a server: cells by name, and rows as (check, region) -> {resource: row}."""

    def __init__(self, folder, server, accounts=(), external_id=None, now=NOW):
        bundle = collector.collect(folder / "run", server, REGIONS, accounts, external_id)
        with zipfile.ZipFile(bundle.path) as archive:
            archive.extractall(folder)
        self.now = now
        self.account = bundle.run["cells"][0]["account"]
        self.cells = {}
        for cell in bundle.run["cells"]:
            name = f"{cell['region']}/{cell['item']}"
            path = cell.get("file")
            self.cells[name] = json.loads((folder / bundle.name / path).read_text()) if path else cell["status"]
        lines = subprocess.run(
            [str(emulators.program("examples/policy-rows")), str(folder / bundle.name), now],
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()
        self.rows = {}
        for check, _, region, resource, verdict, reason in map(json.loads, lines):
            mine = self.rows.setdefault((check, region), {})
            assert resource not in mine, (check, region, resource)
            mine[resource] = (verdict, reason)

    def verdicts(self, check, region):
        return {resource: verdict for resource, (verdict, _) in self.rows.get((check, region), {}).items()}

    def entries(self, region, item, operation, member):
        calls = self.cells[f"{region}/{item}"]["calls"]
        return [one for call in calls if call["operation"] == operation for one in call.get("output", {}).get(member, [])]
