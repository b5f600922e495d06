"""Runs Guard's engine (cfn-guard's own code) over templates: JSON in, JSON out. Runs in the tools' environment.

stdin: [{"template": {...}, "rules": "..."}]. stdout: per case, the names of the rules that hold, that do not, and that
did not apply. The engine's short report is not JSON where a value is missing, so that its record of events is read.
"""

import json
import sys

from cfn_guard_rs.cfn_guard_rs import run_checks_rs


def judged(case):
    record = json.loads(run_checks_rs(json.dumps(case["template"]), case["rules"], True))
    checks = [child["container"]["RuleCheck"] for child in record["children"] if "RuleCheck" in child["container"]]
    found = {status: sorted(it["name"] for it in checks if it["status"] == status) for status in ("PASS", "FAIL", "SKIP")}
    return {"status": record["container"]["FileCheck"]["status"], **found}


print(json.dumps([judged(case) for case in json.load(sys.stdin)]))
