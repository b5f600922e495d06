"""`evidenced run` by a clock that the test moves: started, stopped, killed, waited for by its own numbers.

Promises: the program is the real one; its clock is a file (`run --clock`) that is replaced whole; what a test waits for
is a number of /metrics or a line of the log, never a time. Refused: waiting for ever (PATIENCE_S).
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request

import emulators
from scope import instant

PATIENCE_S = 1800
RESULTS = re.compile(r'^evidenced_runs_total\{result="(\w+)"\} ([0-9.]+)$', re.M)


class Clock:
    """What the service believes that the time is."""

    def __init__(self, path, at):
        self.path, self.at = path, at
        self.set(at)

    def set(self, at):
        self.at = at
        new = self.path.with_suffix(".new")
        new.write_text(instant(at) + "\n", encoding="utf-8")
        os.replace(new, self.path)


class Service:
    """One process of the service of a scope."""

    def __init__(self, scope, clock, verbosity="-v"):
        self.scope, self.clock = scope, clock
        self.port = scope.settings["service"]["listen"].rpartition(":")[2]
        self.lines, self.phase, self.hook = [], "start", None
        self.process = subprocess.Popen(
            [str(emulators.program("evidenced")), verbosity, "--log-format", "json", "run", "-c", str(scope.config),
             "--clock", str(clock.path)],
            env=scope.env, cwd=scope.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for raw in self.process.stderr:
            line = json.loads(raw) if raw.startswith(b"{") else {"message": raw.decode("utf-8", "replace")}
            self.phase = line.get("phase", self.phase)
            self.lines.append(line)
            if self.hook and self.hook(line):
                self.hook = None
                self.process.send_signal(signal.SIGKILL)

    def tail(self, count=25):
        return "\n".join(json.dumps(line) for line in self.lines[-count:])

    def until(self, what, look):
        """Looks until there is something, or the service has ended, or patience has."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := look()) is None:
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.tail()}"
            assert time.monotonic() < deadline, f"{what} did not happen: {self.tail()}"
            time.sleep(0.02)
        return found

    def until_said(self, message, since=0):
        return self.until(message, lambda: next(
            (line for line in self.lines[since:] if line.get("message") == message), None))

    def metrics(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def number(self, name):
        text = self.metrics() or ""
        found = re.search(rf"^{re.escape(name)} ([0-9.e+-]+)$", text, re.M)
        return float(found[1]) if found else None

    def runs(self):
        """How many runs ended how; none while nobody answers."""
        text = self.metrics()
        return None if text is None else {name: int(float(count)) for name, count in RESULTS.findall(text)}

    def ready(self):
        """Waits until it answers."""
        self.until("/metrics", self.metrics)
        return self

    def at(self, moment):
        """Sets the clock and waits until the service has seen it."""
        since = len(self.lines)
        self.clock.set(moment)
        self.until_said("the clock was set", since)

    def one_more(self, result, moment):
        """Sets the clock and waits until one more run has ended so."""
        before = self.until("/metrics", self.runs).get(result, 0)
        self.clock.set(moment)
        self.until(f"a run that is {result}", lambda: (self.runs() or {}).get(result, 0) > before or None)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.tail()
        self.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.close()

    def died(self):
        """Waits for the end that a hook brought; the phase that it was in."""
        assert self.process.wait(PATIENCE_S) == -signal.SIGKILL, self.tail()
        self.close()
        return self.phase

    def close(self):
        self.reader.join()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
