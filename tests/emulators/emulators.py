"""Starts and stops the servers that the tests ask: moto, ministack and the simulated AWS.

Promises: loopback only, on ports that the system chose; ready when `with` enters (the server said so, or its port
answers), gone when `with` leaves, stopped by its process id. Refused: waiting for ever (DEADLINE_S), and a server that
says nothing (its own last words are in the error).
"""

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
DEADLINE_S = 90


class Server:
    """A running server: its address, its process id, and the credentials that it takes."""

    def __init__(self, name, address, process, credentials):
        self.name, self.address, self.pid, self.credentials = name, address, process.pid, credentials

    def env(self, region="us-east-1"):
        """The environment in which the AWS CLI, boto3 and the collector talk to this server, and to nothing else."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return inherited | self.credentials | {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }


TESTING = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@contextlib.contextmanager
def moto(log=None, cert=None, key=None, refuse=None, port=0):
    """moto 5.2.1 with its gaps filled; `log` is a file for one line of JSON a request.

    While the file `refuse` is there, S3 refuses everything, as that file says.
    """
    command = [sys.executable, str(HERE / "moto_server.py")]
    for flag, value in (("--log", log), ("--cert", cert), ("--key", key), ("--refuse", refuse), ("--port", port)):
        command += [flag, str(value)] if value else []
    with started("moto", command, {}) as (process, words):
        yield Server("moto", first_line("moto", process, words)["address"], process, TESTING)


@contextlib.contextmanager
def ministack():
    """ministack 1.5.33; told to listen on loopback, or it listens everywhere."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ministack-") as home:
        env = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": home, "PERSIST_STATE": "0"}
        with started("ministack", [sys.executable, "-m", "ministack"], env, cwd=home) as (process, words):
            address = f"http://127.0.0.1:{port}"
            answering("ministack", process, words, f"{address}/_ministack/health")
            yield Server("ministack", address, process, TESTING)


STRICT_ACCOUNT = "111122223333"


@contextlib.contextmanager
def strict_ministack(cert, key):
    """ministack that judges every request by signature and policies (ministack_server.py), over TLS and plain HTTP.

    `TESTING` are the keys of the root user; a key id of twelve digits is the root user of that account.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ministack-") as home:
        env = TESTING | {"AUTH": "true", "GATEWAY_PORT": str(port), "HOME": home, "PERSIST_STATE": "0",
                         "MINISTACK_ACCOUNT_ID": STRICT_ACCOUNT, "LOG_LEVEL": "WARNING"}
        command = [sys.executable, str(HERE / "ministack_server.py"), "--port", str(port), "--cert", str(cert),
                   "--key", str(key)]
        with started("ministack", command, env, cwd=home) as (process, words):
            # Plain HTTP is on the same port, and needs no authority.
            answering("ministack", process, words, f"http://127.0.0.1:{port}/_ministack/health")
            yield Server("ministack", f"https://127.0.0.1:{port}", process, TESTING)


@contextlib.contextmanager
def simcloud(*arguments):
    """The simulated AWS of this workspace; `arguments` as its `--help` says."""
    binary = str(program("simcloud"))
    with started("simcloud", [binary, "--listen", "127.0.0.1:0", *map(str, arguments)], {}) as (process, words):
        said = first_line("simcloud", process, words)
        credentials = {
            "AWS_ACCESS_KEY_ID": said["access_key_id"], "AWS_SECRET_ACCESS_KEY": said["secret_access_key"],
        }
        server = Server("simcloud", said["endpoint"], process, credentials)
        server.said = said  # accounts, role_name and external_id, among others
        yield server


def program(name):
    """A program of this workspace: in $EVIDENCED_BIN, or where `cargo build` puts debug binaries."""
    built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug"
    path = pathlib.Path(os.environ.get("EVIDENCED_BIN") or built) / name
    if not path.exists():
        raise RuntimeError(f"{path} is not built: run ./test, or cargo build --workspace")
    return path


@contextlib.contextmanager
def started(name, command, env, cwd=None):
    """Runs a command whose output is kept in a temporary file; terminates that process, and no other, at the end."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    with tempfile.TemporaryFile("w+") as words:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=words, stdin=subprocess.DEVNULL, env=inherited | env, cwd=cwd,
        )
        try:
            yield process, words
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def first_line(name, process, words):
    """The one line of JSON that a server prints when it is ready."""
    ready, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
    line = process.stdout.readline() if ready else b""
    if not line.strip():
        raise RuntimeError(f"{name} did not start: {last_words(words)}")
    return json.loads(line)


def answering(name, process, words, url):
    """Waits until the URL answers with any status."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
            return
        select.select([], [], [], 0.05)
    raise RuntimeError(f"{name} did not start: {last_words(words)}")


def last_words(words):
    words.seek(0)
    return words.read()[-2000:] or "it said nothing"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
