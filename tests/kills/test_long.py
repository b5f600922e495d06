"""A service that lives long: bundles that wait drain in their order, and ten thousand slots cost no memory.

EVIDENCED_DRAIN (default 60; the proof is 1000) is how many bundles wait for the store, EVIDENCED_SOAK (default 200; the
proof is 10000) how many slots the service lives through with nothing to collect, and a fifth of them with a region to
collect and to judge: docs/CONTRIBUTING.md.
"""

import datetime
import json
import os
import pathlib
import statistics
import subprocess
import time

import pytest

import emulators
from scope import UTC, FolderStore, Scope
from service import Clock, Service
from test_kills import whole

DAY, MINUTE = datetime.timedelta(days=1), datetime.timedelta(minutes=1)
FIRST = datetime.datetime(2000, 1, 1, 2, tzinfo=UTC)
#: What an allocator may keep or give back between two samples, whatever the program does.
NOISE_BYTES = 4 << 20


#: No cell is planned: what is left is all that the service itself does for a slot.
NOTHING = {"[aws.accounts]": {"id": "111122223333", "excluded": "nothing is collected"}}


@pytest.fixture
def scope(request, simulated, tmp_path):
    more = {"service": {"listen": f"127.0.0.1:{emulators.free_port()}"}, "collect": {"items": ["account.regions"]}}
    more |= getattr(request, "param", {})
    root = pathlib.Path(os.environ.get("EVIDENCED_SOAK_DIR") or tmp_path) / f"scope-{os.getpid()}-{tmp_path.name}"
    return Scope(root, simulated, FolderStore(root), schedule="0 2 * * *", since=FIRST - DAY, more=more)


def memory(pid, name="VmRSS"):
    """Bytes, from /proc."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name}:"))) << 10


def files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def complete(service):
    return (service.runs() or {}).get("complete", 0)


def test_bundles_that_wait_for_the_store_drain_in_the_order_of_their_slots(scope, figures):
    count, root = int(os.environ.get("EVIDENCED_DRAIN") or 60), scope.folder / "store"
    slots = [FIRST + day * DAY for day in range(count + 2)]
    clock = Clock(scope.folder / "clock", slots[0] + MINUTE)
    with Service(scope, clock).ready() as service:
        service.until("the first run", lambda: complete(service) == 1 or None)
        # The store is away: a file stands in its place.
        root.rename(scope.folder / "away")
        root.write_text("no folder", encoding="utf-8")
        for slot in slots[1:-1]:
            service.one_more("failed", slot + MINUTE)
        assert service.number("evidenced_spool_bundles") == count
        waited = memory(service.pid)
        root.unlink()
        (scope.folder / "away").rename(root)
        begun, since = time.monotonic(), len(service.lines)
        clock.set(slots[-1] + MINUTE)
        # Each of them is counted when it is published, and then the run of the last slot.
        service.until("the drain", lambda: complete(service) == count + 2 or None)
        took, peak = time.monotonic() - begun, memory(service.pid, "VmHWM")
        published = [line["bundle"] for line in service.lines[since:]
                     if line.get("message") == "a sealed bundle waited in the spool; it is published now"]
        assert published == [f"evidence-kills-{slot:%Y%m%dT%H%M%SZ}" for slot in slots[1:-1]]
        assert service.number("evidenced_spool_bundles") == 0
        service.stop()
    whole(scope, slots, service=True)
    indexes = {}
    for path in root.rglob("*.tlog-proof"):
        indexes[path.name] = int(next(line for line in path.read_text(encoding="utf-8").splitlines()
                                      if line.startswith("index ")).split()[1])
    assert [indexes[name] for name in sorted(indexes)] == list(range(len(slots)))
    figures(f"drain: {count} bundles in {took:.1f} s ({1000 * took / count:.0f} ms each), memory "
            f"{waited >> 20} MiB before, {peak >> 20} MiB at most")


class Quiet:
    """A service that is heard only by its line of metrics a run, so that ten thousand slots are soon over."""

    def __init__(self, scope, clock):
        self.scope, self.clock, self.log = scope, clock, scope.folder / "service.log"
        with open(self.log, "ab") as said:
            self.process = subprocess.Popen(
                [str(emulators.program("evidenced")), "--log-format", "json", "run", "-c", str(scope.config), "--clock",
                 str(clock.path)],
                env=scope.env, cwd=scope.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
            )

    def live(self, days, every):
        """A run for each of these days of the schedule; memory and open files at every so many."""
        samples = []
        for number, day in enumerate(days, 1):
            self.clock.set(FIRST + day * DAY + MINUTE)
            line = self.process.stdout.readline()
            assert line, self.log.read_text(encoding="utf-8")[-3000:]
            run = json.loads(line)
            assert (run["result"], run["SlotsMissed"]) == ("complete", 0), run
            if number % every == 0:
                samples.append((number, memory(self.process.pid), files(self.process.pid)))
                with open(self.scope.folder / "samples", "a", encoding="utf-8") as kept:
                    kept.write(f"{time.monotonic():.0f} s {samples[-1]}\n")
        return samples

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            assert self.process.wait(60) == 0
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()


@pytest.mark.parametrize(("scope", "share"), [(NOTHING, 1), ({}, 5)], indirect=["scope"], ids=["nothing", "a-region"])
def test_slot_after_slot_costs_neither_memory_nor_file_descriptors(scope, share, figures):
    count = int(os.environ.get("EVIDENCED_SOAK") or 200) // share
    clock = Clock(scope.folder / "clock", FIRST + MINUTE)
    begun = time.monotonic()
    with Quiet(scope, clock) as service:
        samples = service.live(range(count), max(1, count // 100))
    took, quarter = time.monotonic() - begun, len(samples) // 4
    # A process that has just begun, with the same store before it: what the old one has more than that has leaked.
    with Quiet(scope, clock) as service:
        fresh = service.live(range(count, count + 20), 1)[10:]
    second, last = samples[quarter:2 * quarter], samples[-quarter:]
    rss = [statistics.median(sample[1] for sample in part) for part in (second, last, fresh)]
    fds = [max(sample[2] for sample in part) for part in (second, last, fresh)]
    figures(f"soak: {count} slots in {took:.0f} s, resident {rss[0] / 2**20:.1f} MiB in the second quarter, "
            f"{rss[1] / 2**20:.1f} MiB in the last, {rss[2] / 2**20:.1f} MiB in a new process with the same store; "
            f"file descriptors {fds[0]}, {fds[1]}, {fds[2]}")
    assert rss[1] <= rss[2] + NOISE_BYTES, (rss, samples)
    assert fds[1] <= fds[0], samples
