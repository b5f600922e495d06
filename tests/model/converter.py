"""Our converter as a process: calls in, answers out, one JSON line each."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command():
    built = os.environ.get("EVIDENCED_WIRE_CONVERT")
    if built:
        return [built]
    return ["cargo", "run", "--quiet", "--package", "evidenced-core", "--example", "wire-convert"]


def call(service, operation, bodies, status=200, headers=None):
    """One call whose pages have these bodies."""
    pages = [{"status": status, "headers": headers or {}, "body": body.hex()} for body in bodies]
    return {"service": service, "operation": operation, "pages": pages}


def convert(calls):
    """The answer to each call, in order."""
    lines = "".join(json.dumps(one) + "\n" for one in calls)
    done = subprocess.run(command(), cwd=ROOT, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(calls)
    return answers
