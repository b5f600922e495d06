"""The AWS CLI as a process that takes many commands: one JSON object a line in, one a line out.

In:  {"argv": [...], "credentials": {"AWS_ACCESS_KEY_ID": ...}}      Out: {"rc": 0, "stdout": "...", "stderr": "..."}

Promises: the CLI's own driver, parser, pager and formatter (awscli.clidriver), as `aws` runs them; only the start of
the interpreter and the reading of service models are shared between commands. Refused: settings other than those of
the environment that it was started with, and the credentials of the command.
"""

import contextlib
import io
import json
import os
import sys

import awscli.clidriver
import botocore.loaders

LOADER = None
DRIVERS = {}


def driver_for(credentials):
    """One driver for each set of credentials: a session keeps the first that it finds."""
    global LOADER
    key = json.dumps(credentials, sort_keys=True)
    if key not in DRIVERS:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            os.environ.pop(name, None)
        os.environ.update(credentials)
        driver = awscli.clidriver.create_clidriver()
        driver.session.get_credentials()
        LOADER = LOADER or driver.session.get_component("data_loader")
        driver.session.register_component("data_loader", LOADER)
        DRIVERS[key] = driver
    return DRIVERS[key]


def run(command):
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            rc = driver_for(command["credentials"]).main(command["argv"])
        except SystemExit as stop:  # the CLI's own argument parser
            rc = stop.code
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return {"rc": rc, "stdout": texts[0], "stderr": texts[1]}


def main():
    answers = sys.stdout
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
