"""Asks the AWS CLI what it prints for a call that a document records.

Promises: version 1 as installed, with `cli_timestamp_format = iso8601` and TZ=UTC; the parameters of the document
without page size and token, so that the CLI pages by itself; where the CLI has no pager (wafv2), its answers are read
with NextMarker to the end and joined. Refused: a retry (an error is an answer here), and any setting of the machine.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import botocore.loaders
from botocore import xform_name

HERE = pathlib.Path(__file__).resolve().parent
COMMANDS = {"config": "configservice", "s3": "s3api"}
WAFV2_LISTS = {"ListWebACLs": "WebACLs", "ListLoggingConfigurations": "LoggingConfigurations"}
# Calls whose answer has other members when a page size is given: the CLI is told the recorded one (--page-size).
SIZE_MATTERS = {("s3", "ListBuckets"): "BucketRegion and BucketArn come only with MaxBuckets"}
WORKERS = 2
SETTINGS = "[default]\ncli_timestamp_format = iso8601\nmax_attempts = 1\ns3 =\n  addressing_style = path\n"
ERROR = re.compile(r"An error occurred \(([^)]+)\) when calling the \w+ operation")


class Answer:
    """What the CLI printed: `output` (parsed), or `code` of the error that it named."""

    def __init__(self, rc, stdout, stderr):
        self.rc, self.stderr = rc, stderr
        self.output = json.loads(stdout) if stdout.strip() else {}
        found = ERROR.search(stderr)
        self.code = found.group(1) if found else None
        if rc and not found:
            raise RuntimeError(f"the CLI failed by itself ({rc}): {stderr[-800:]}")


class Cli:
    """A few CLI processes, and `aws` itself for samples."""

    def __init__(self, workers=WORKERS):
        self.folder = tempfile.TemporaryDirectory(prefix="aws-cli-")
        self.config = pathlib.Path(self.folder.name, "config")
        self.config.write_text(SETTINGS, encoding="utf-8")
        self.pool = ThreadPoolExecutor(workers)
        self.local, self.processes = threading.local(), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown(cancel_futures=True)
        for process in self.processes:
            process.stdin.close()
            process.wait(20)
            process.stdout.close()
        self.folder.cleanup()

    def env(self):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return inherited | {
            "TZ": "UTC", "AWS_CONFIG_FILE": str(self.config), "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _worker(self):
        if not hasattr(self.local, "process"):
            self.local.process = subprocess.Popen(
                [sys.executable, str(HERE / "cli_worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=self.env(), text=True,
            )
            self.processes.append(self.local.process)
        return self.local.process

    def _in_process(self, argv, credentials):
        process = self._worker()
        process.stdin.write(json.dumps({"argv": argv, "credentials": credentials}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the CLI worker ended at: aws {' '.join(argv)}")
        return Answer(**json.loads(line))

    def _as_process(self, argv, credentials):
        aws = pathlib.Path(sys.executable).with_name("aws")
        done = subprocess.run(
            [str(aws), *argv], env=self.env() | credentials, capture_output=True, text=True, check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def ask(self, call, endpoint, credentials, real=False):
        """The CLI's answer to a recorded call."""
        run = self._as_process if real else self._in_process
        service, operation = call["service"], call["operation"]
        parameters = without_paging(service, operation, call.get("parameters") or {})
        answer = run(argv(call, endpoint, parameters), credentials)
        key = WAFV2_LISTS.get(operation) if service == "wafv2" else None
        if not key or answer.code:
            return answer
        seen, page = set(), answer
        while (marker := page.output.get("NextMarker")) and marker not in seen:
            seen.add(marker)
            page = run(argv(call, endpoint, parameters | {"NextMarker": marker}), credentials)
            answer.output[key] += page.output.get(key, [])
        answer.output.pop("NextMarker", None)
        return answer

    def ask_all(self, calls, endpoint, credentials_of, real=False):
        """Answers to many calls, in their order."""
        return list(self.pool.map(lambda call: self.ask(call, endpoint, credentials_of(call), real), calls))


def argv(call, endpoint, parameters):
    service = call["service"]
    words = [COMMANDS.get(service, service), command_name(call["operation"]), "--region", call["region"]]
    words += ["--endpoint-url", endpoint, "--output", "json"]
    if (service, call["operation"]) in SIZE_MATTERS:
        size = (call.get("parameters") or {}).get(pager_of(service, call["operation"])["limit_key"])
        words += ["--page-size", str(size)] if size else []
    return words + (["--cli-input-json", json.dumps(parameters)] if parameters else [])


def command_name(operation):
    """DescribeSSLPolicies -> describe-ssl-policies, as the CLI spells it."""
    return xform_name(operation, "-")


@functools.cache
def pager_of(service, operation):
    """botocore's pager of an operation; empty where it has none."""
    try:
        return botocore.loaders.Loader().load_service_model(service, "paginators-1")["pagination"].get(operation, {})
    except botocore.exceptions.UnknownServiceError:
        return {}


def paging_words(service, operation):
    """The parameters that say where a page begins and how long it is."""
    if service == "wafv2":
        return {"Limit", "NextMarker"} if operation in WAFV2_LISTS else set()
    pager = pager_of(service, operation)
    tokens = pager.get("input_token", [])
    return {pager.get("limit_key"), *([tokens] if isinstance(tokens, str) else tokens)}


def without_paging(service, operation, parameters):
    drop = paging_words(service, operation)
    return {name: value for name, value in parameters.items() if name not in drop}
