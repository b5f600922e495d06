"""One scope whose service is killed: its folder, its store (a folder, or a bucket behind TLS), what lies there after.

Promises: the program is the real one and is ended by SIGKILL; keys, trust root and configuration are made by the
program; AWS is the simulated one with the smallest estate; what is in the store at the end is judged by
`evidenced verify` on a copy, and by counting. Refused: an exit code that nobody expects.
"""

import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import collector
import emulators
from bucket import PREFIX

ORIGIN = "evidence.example.com/kills"
UTC = datetime.timezone.utc
PHASES = ("collect", "seal", "spool", "upload", "log", "sidecar")
SIDECARS = (".sigstore.json", ".sshsig", ".tlog-proof")


def instant(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class FolderStore:
    """The store is a folder on this disk."""

    name = "folder"

    def __init__(self, folder):
        self.root = folder / "store"

    def settings(self):
        return {"url": "file:store"}

    def env(self):
        return {}

    def copy(self, _):
        return self.root

    def keys(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


class BucketStore:
    """The store is a bucket of a server behind TLS."""

    def __init__(self, cloud):
        self.cloud, self.bucket, self.name = cloud, cloud.bucket(), f"{cloud.name} over TLS"

    def settings(self):
        return {
            "url": f"s3://{self.bucket}/{PREFIX}", "region": "us-east-1",
            "endpoint_url": self.cloud.server.address,
        }

    def env(self):
        return {"AWS_CA_BUNDLE": str(self.cloud.authority)}

    def copy(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        return self.cloud.download(self.bucket, folder)

    def keys(self):
        return [key.removeprefix(f"{PREFIX}/") for key in self.cloud.keys(self.bucket)]


class Scope:
    """Keys, trust root, configuration and spool of one scope, and the command that works with them."""

    def __init__(self, folder, simulated, store, schedule="0 * * * *", since=None, more=None):
        self.folder, self.simulated, self.store, self.schedule = folder, simulated, store, schedule
        folder.mkdir(parents=True, exist_ok=True)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EVIDENCED_"))}
        self.env |= simulated.credentials | store.env() | {
            "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        self.must("init", "--dir", folder, "--scope", "kills", "--organisation", "Example Ltd", "--origin", ORIGIN)
        # Its trust root begins today; this one begins before the slots.
        shutil.rmtree(folder / "store" / "trust")
        self.trust = folder / "trust"
        since = since or datetime.datetime(2026, 1, 1, tzinfo=UTC)
        keys = folder / "keys"
        self.must("trust", "init", "--dir", self.trust, "--threshold", 1, "--holder",
                  f"test={folder / 'offline' / 'root.pub.pem'}", "--evidence", keys / "evidence.pub.pem",
                  "--log", f"{ORIGIN}={keys / 'log.pub.pem'}", "--from", instant(since))
        self.sign_trust()
        shown = self.must("trust", "show", "--dir", self.trust)
        self.fingerprint = re.search(r"fingerprint\s+([0-9a-f]{64})", shown)[1]
        self.config = folder / "evidenced.toml"
        self.settings = {
            "": {"scope": "kills", "organisation": "Example Ltd", "schedule": schedule},
            "store": store.settings(),
            "spool": {"dir": "spool"},
            "signing": {
                "origin": ORIGIN, "evidence_key": "file:keys/evidence.key.pem", "log_key": "file:keys/log.key.pem",
                "trust_root": "trust",
            },
            "aws": {"endpoint_url": simulated.address, "regions": ["us-east-1"]},
            "collect": {"items": ["vpc.vpcs"], "max_attempts": 2},
        }
        for table, values in (more or {}).items():
            self.settings[table] = self.settings.get(table, {}) | values
        self.write()

    def write(self):
        self.config.write_text(collector.toml(self.settings), encoding="utf-8")

    def sign_trust(self):
        self.must("trust", "sign", "--dir", self.trust, "--key", self.folder / "offline" / "root.key.pem")

    def must(self, *arguments):
        return collector.evidenced(*arguments, env=self.env, cwd=self.folder)

    def run(self, *arguments):
        """The program's exit code and what it said."""
        return subprocess.run(
            [str(emulators.program("evidenced")), *map(str, arguments)], env=self.env, cwd=self.folder,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )

    def collect(self, slot):
        """A run that is let alone: it has to do the slot, or find it done."""
        done = self.run("-v", "--log-format", "json", "collect", "-c", self.config, "--slot", instant(slot))
        found = done.returncode == 2 and "already holds" in done.stderr
        assert done.returncode in (0, 4) or found, f"slot {instant(slot)}: exit {done.returncode}\n{done.stderr[-4000:]}"
        return done

    def victim(self, slot):
        return Victim(self, "collect", "-c", self.config, "--slot", instant(slot))

    def wipe_spool(self):
        shutil.rmtree(self.folder / "spool", ignore_errors=True)

    def verify(self, *more):
        """What an auditor with a copy of the store and the fingerprint is told: exit code and report."""
        copy = self.store.copy(self.folder / "copy")
        done = self.run("verify", copy, "--trust", copy / "trust", "--root-fingerprint", self.fingerprint, "--undated",
                        "--json", *more)
        assert done.stdout.strip(), done.stderr
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    def leaves(self):
        checkpoint = (self.store.copy(self.folder / "copy") / "log" / "checkpoint").read_text(encoding="utf-8")
        return int(checkpoint.splitlines()[1])

    def nothing_is_left_over(self):
        """No temporary file in the store or the spool, nothing that waits, nothing that lost its slot."""
        for folder in ("runs", "sealed", "tokens", "conflict", "reading"):
            path = self.folder / "spool" / folder
            left = [str(found) for found in path.rglob("*")] if path.exists() else []
            assert left == [], f"spool/{folder}: {left}"
        for place in (self.folder / "spool", self.folder / "store"):
            left = [str(path) for path in place.rglob(".*") if path.name != ".lock"] if place.exists() else []
            assert left == [], left


class Victim:
    """A run of the program whose log is read as it comes, and that can be killed between two lines."""

    def __init__(self, scope, *arguments):
        self.lines, self.phase, self.at = [], "start", []
        self.process = subprocess.Popen(
            [str(emulators.program("evidenced")), "-vv", "--log-format", "json", *map(str, arguments)],
            env=scope.env, cwd=scope.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def read(self):
        """The next line of the program's own log, with what it says of the phase; none at the end."""
        for raw in self.process.stderr:
            self.lines.append(raw)
            with contextlib.suppress(ValueError):
                line = json.loads(raw)
                if not line.get("target", "").startswith("evidenced"):
                    continue
                self.phase = line.get("phase", self.phase)
                self.at.append((time.monotonic(), self.phase))
                return line
        return None

    def kill_in(self, phase, number, delay):
        """SIGKILL, `delay` seconds after the `number`-th line of a phase. Whether it was killed before its end."""
        seen = 0
        while self.read() is not None:
            seen += self.phase == phase
            if seen > number:
                spin(delay)
                self.process.send_signal(signal.SIGKILL)
                break
        # What it had said before it died counts: that is what it was doing.
        while self.read() is not None:
            pass
        code = self.process.wait()
        self.process.stderr.close()
        return code == -signal.SIGKILL

    def end(self):
        """Lets it run to its end."""
        while self.read() is not None:
            pass
        code = self.process.wait()
        self.process.stderr.close()
        return code

    def said(self):
        return b"".join(self.lines).decode("utf-8", "replace")


def spin(seconds):
    """Waits a time that is too short to be slept."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def profile(victim):
    """Of a run that was let alone: for each phase, how long after each of its lines the next line came."""
    gaps = {phase: [] for phase in PHASES}
    for (at, phase), (following, _) in zip(victim.at, victim.at[1:], strict=False):
        if phase in gaps:
            gaps[phase].append(following - at)
    return gaps
