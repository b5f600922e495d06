"""SIGKILL in every phase of a run, hundreds of times: one bundle and one leaf for each slot, none half-written.

EVIDENCED_KILLS is how many kills there are in all, half of them with the store in a folder and half with a bucket
behind TLS (default 60; the proof is 500: docs/CONTRIBUTING.md). EVIDENCED_KILLS_SEED repeats the choice of phases,
lines and delays; what the machine does in between it cannot repeat. A kill counts for the phase that the dead process
was in by its own last words.
"""

import collections
import datetime
import math
import os
import random
import time

import pytest

from scope import PHASES, SIDECARS, UTC, BucketStore, FolderStore, Scope, profile

FIRST = datetime.datetime(2024, 1, 1, 2, tzinfo=UTC)
DAY = datetime.timedelta(days=1)
#: Where a run can still be killed when its last one was killed there.
AFTER = {"start": PHASES, "collect": PHASES, "seal": PHASES, "spool": PHASES[3:], "upload": PHASES[3:],
         "log": PHASES[4:], "sidecar": PHASES[5:]}


def seed():
    return int(os.environ.get("EVIDENCED_KILLS_SEED") or time.time_ns() % 1_000_000_000)


@pytest.fixture(params=["folder", "moto"])
def scope(request, simulated, tmp_path):
    store = FolderStore(tmp_path) if request.param == "folder" else BucketStore(request.getfixturevalue("moto"))
    return Scope(tmp_path, simulated, store, schedule="0 2 * * *", since=FIRST - DAY)


class Hunt:
    """Kills runs of one scope, day after day, until each phase has had its share."""

    def __init__(self, scope, quota, number):
        self.scope, self.quota, self.seed = scope, quota, number
        self.random = random.Random(number)
        self.kills, self.restarts, self.begun = collections.Counter(), 0, time.monotonic()
        self.slots = []
        alone = scope.victim(self.next_slot())
        assert alone.end() == 0, alone.said()
        self.gaps = profile(alone)
        assert all(self.gaps.values()), self.gaps

    def next_slot(self):
        self.slots.append(FIRST + len(self.slots) * DAY)
        return self.slots[-1]

    def wanted(self, phases=PHASES):
        return [phase for phase in phases if self.kills[phase] < self.quota]

    def kill(self, slot, phases):
        """One run with SIGKILL in one of these phases; the phase that it died in, none when it was faster."""
        phase = self.random.choice(phases)
        number = self.random.randrange(len(self.gaps[phase]))
        delay = self.random.uniform(0, self.gaps[phase][number])
        victim = self.scope.victim(slot)
        if not victim.kill_in(phase, number, delay):
            # Done, or found done. Anything else is no way for a run to end.
            assert victim.process.returncode in (0, 2, 4), victim.said()[-4000:]
            return None
        self.kills[victim.phase] += 1
        return victim.phase

    def report(self, what):
        counts = ", ".join(f"{phase} {self.kills[phase]}" for phase in ("start", *PHASES))
        return (f"{what}, {self.scope.store.name}: {self.kills.total()} kills ({counts}), {len(self.slots)} slots, "
                f"{time.monotonic() - self.begun:.0f} s, EVIDENCED_KILLS_SEED={self.seed}")


def whole(scope, slots, missed=frozenset(), service=False):
    """One bundle, one leaf, all sidecars for each slot; the verifier finds nothing but late and undated runs."""
    code, report = scope.verify("--from", f"{slots[0]:%Y-%m-%d}", "--to", f"{slots[-1]:%Y-%m-%d}")
    assert (code, report["refused"], report["problems"]) == (4, [], []), report
    count = len(slots)
    assert (report["slotsDue"], report["slotsSequenced"], report["slotsOpened"]) == (count, count, count)
    assert report["log"]["size"] == count
    others = [it for it in report["exceptions"] if not it["detail"].startswith(("late: ", "undated: "))]
    assert {it["detail"].partition(",")[0] for it in others} <= {"missed"}, others
    assert {it["subject"] for it in others} == {f"evidence-kills-{slot:%Y%m%dT%H%M%SZ}" for slot in missed}
    keys = [key for key in scope.store.keys() if not key.startswith("trust/")]
    bundles = sorted(key for key in keys if key.startswith("bundles/"))
    zips = [f"bundles/{slot:%Y/%m/%d}/evidence-kills-{slot:%Y%m%dT%H%M%SZ}.zip" for slot in slots]
    assert bundles == sorted(name + suffix for name in zips for suffix in ("", *SIDECARS))
    assert len([key for key in keys if key.startswith("log/checkpoints/")]) == count
    places = ("bundles/", "log/") + (("lease/", "status/") if service else ())
    assert [key for key in keys if not key.startswith(places)] == []
    scope.nothing_is_left_over()


def share():
    """Kills of each phase with one store."""
    return math.ceil(int(os.environ.get("EVIDENCED_KILLS") or 60) / 2 / len(PHASES))


def test_a_run_that_is_killed_in_any_phase_ends_as_one_bundle_and_one_leaf(scope, figures):
    hunt = Hunt(scope, share(), seed())
    print(f"EVIDENCED_KILLS_SEED={hunt.seed}")
    while hunt.wanted():
        slot, phases = hunt.next_slot(), PHASES
        # A run that was started again may be killed again, and again.
        while hunt.wanted(phases):
            died = hunt.kill(slot, hunt.wanted(phases))
            if died is None or hunt.random.random() < 0.4:
                break
            phases = AFTER[died]
        scope.collect(slot)
    figures(hunt.report("killed"))
    whole(scope, hunt.slots)


def test_a_run_that_is_killed_and_loses_its_disk_ends_as_evidence_or_as_missed(scope, figures):
    """Scratch space: nothing of the spool is left after a kill. The store alone says what there was."""
    hunt = Hunt(scope, max(1, share() // 2), seed())
    print(f"EVIDENCED_KILLS_SEED={hunt.seed}")
    missed = set()
    while hunt.wanted():
        slot = hunt.next_slot()
        if hunt.kill(slot, hunt.wanted()) is None:
            continue
        scope.wipe_spool()
        stored = f"bundles/{slot:%Y/%m/%d}/evidence-kills-{slot:%Y%m%dT%H%M%SZ}.zip" in scope.store.keys()
        if hunt.random.random() < 0.5:
            # The new task is in time: the slot is collected again, or found in the store.
            scope.collect(slot)
        elif not stored:
            missed.add(slot)
    scope.collect(hunt.next_slot())
    figures(hunt.report(f"killed with the disk wiped ({len(missed)} missed)"))
    whole(scope, hunt.slots, missed)
