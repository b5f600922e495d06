"""Runs in the validators' environment: every line of FILE is a Compliance Finding, and nothing of it is lost.

The library knows the `cloud` profile's object and does not have it in this class, where OCSF 1.5 allows it: it is put
there. The library drops what it does not know without a word, so each line is written again and compared.
"""

import json
import sys

from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from py_ocsf_models.objects.cloud import Cloud


class CloudComplianceFinding(ComplianceFinding):
    cloud: Cloud


def main(file):
    with open(file, encoding="utf-8", newline="") as opened:
        lines = opened.read().removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        given = json.loads(line)
        found = CloudComplianceFinding.model_validate(given)
        back = json.loads(found.model_dump_json(exclude_unset=True))
        if back != given:
            sys.exit(f"line {number}: changed on the way: {line}\n{json.dumps(back)}")
    print(len(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
