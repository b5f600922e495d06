"""A quarter of daily slots in minutes: by a clock that the test moves, with everything that goes wrong in three months.

The service is the real program, its bucket is behind TLS, AWS is the simulated one. The test writes down which slots
it has made impossible; `evidenced verify --quarter` has to name exactly those, from a copy of the bucket alone.
"""

import base64
import datetime
import json
import os
import random
import re
import time

import pytest

import emulators
from bucket import Cloud
from scope import ORIGIN, UTC, BucketStore, Scope, instant
from service import Clock, Service
from tls import certificate

QUARTER, FIRST, SLOTS = "2026-Q3", datetime.datetime(2026, 7, 1, 2, tzinfo=UTC), 92
DAY, HOUR, MINUTE = datetime.timedelta(days=1), datetime.timedelta(hours=1), datetime.timedelta(minutes=1)
SECOND = datetime.timedelta(seconds=1)
NEXT = "evidenced_next_slot_timestamp_seconds"


def name(slot):
    return f"evidence-kills-{slot:%Y%m%dT%H%M%SZ}"


class Quarter:
    """The service of one scope, day after day, and what the test has done to it."""

    def __init__(self, scope, refuse, number):
        self.scope, self.refuse, self.seed, self.random = scope, refuse, number, random.Random(number)
        self.day, self.missed, self.kills, self.waited = 0, {}, [], []
        self.clock = Clock(scope.folder / "clock", FIRST)
        self.service = None

    def slot(self, day=None):
        return FIRST + (self.day if day is None else day) * DAY

    def moment(self):
        """Some time in the period of this day's slot."""
        return self.slot() + self.random.randrange(1, 20 * 3600) * SECOND

    def start(self):
        self.service = Service(self.scope, self.clock, "-vv").ready()

    def settled(self):
        """The slot that is due is in the log, or was found there."""
        now = self.clock.at.timestamp()
        self.service.until("the slot", lambda: (self.service.number(NEXT) or 0) > now or None)
        self.day += 1

    def plain(self, days):
        for _ in range(days):
            self.clock.set(self.moment())
            self.settled()

    def down(self, days, how):
        """The service is not there for so many slots: they are missed, and the next run says so."""
        self.service.stop() if how == "stop" else self.service.kill()
        self.skip(days)
        self.clock.set(self.moment())
        self.come_back(days)
        self.start()
        self.settled()

    def skip(self, days):
        self.day += days

    def come_back(self, days):
        """The bags of the slots before this day are written now."""
        for day in range(self.day - days, self.day):
            self.missed[self.slot(day)] = self.clock.at

    def away(self, days, answer):
        """The bucket refuses everything for so many slots: bundles wait, and come in order when it is back."""
        self.refuse.write_text(answer, encoding="utf-8")
        for _ in range(days):
            self.service.one_more("failed", self.moment())
            self.waited.append(self.slot())
            self.day += 1
        waiting = self.service.number("evidenced_spool_bundles")
        assert waiting == days, self.service.tail()
        self.refuse.unlink()

    def killed(self, phase, wiped=False):
        """SIGKILL in a phase; the service that is started again, on the same disk or an empty one, does the slot."""
        number, seen = self.random.randrange(6), []

        def hook(_):
            seen.extend([1] * (self.service.phase == phase))
            return len(seen) > number or (seen and self.service.phase != phase)

        self.service.hook = hook
        self.clock.set(self.slot() + MINUTE)
        self.kills.append(self.service.died())
        if wiped:
            self.scope.wipe_spool()
        self.start()
        if wiped and self.service.until("the slot, or its lease", self.held_or_done) == "held":
            # The lease of the task that died is good for two hours; nobody knows that it is dead.
            self.clock.set(self.clock.at + 2 * HOUR)
        self.settled()

    def held_or_done(self):
        if any(line.get("message") == "another task has the slot" for line in self.service.lines):
            return "held"
        return "done" if (self.service.number(NEXT) or 0) > self.clock.at.timestamp() else None

    def clock_goes_back(self):
        """Three days, and after a while to where it was: nothing is run twice."""
        # The loop sees the clock between two runs: what it started at one instant is counted at the next.
        self.service.at(self.clock.at - 3 * DAY)
        before = self.service.runs()
        self.service.at(self.clock.at + 3 * DAY)
        assert self.service.runs() == before

    def clock_goes_forward(self):
        """To the slot after next; the one between is missed. Then it is put right, and what is done stays done."""
        right = self.moment()
        self.day += 1
        self.clock.set(right + DAY)
        self.come_back(1)
        self.settled()
        self.service.at(right)
        before = self.service.runs()
        self.service.at(right + MINUTE)
        assert self.service.runs() == before

    def statements(self):
        """Log index, bundle and signing key of every statement, by index."""
        found = []
        for path in (self.scope.folder / "copy").rglob("*.sigstore.json"):
            bundle = json.loads(path.read_text(encoding="utf-8"))
            payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
            hint = bundle["verificationMaterial"]["publicKey"]["hint"]
            found.append((payload["predicate"]["log"]["index"], path.name.partition(".")[0], hint))
        return sorted(found)

    def rotate(self):
        """Evidence is signed by another key from now on, and a new version of the trust root names it."""
        folder, scope, change = self.scope.folder / "next", self.scope, self.clock.at + HOUR
        self.service.stop()
        self.clock.set(change)
        scope.must("init", "--dir", folder, "--scope", "kills", "--organisation", "Example Ltd", "--origin", ORIGIN)
        old = re.search(r"([0-9a-f]{64})  evidence\n", scope.must("trust", "show", "--dir", scope.trust))[1]
        scope.must("trust", "rotate", "--dir", scope.trust, "--evidence", folder / "keys" / "evidence.pub.pem",
                   "--end", f"{old}={instant(change)}", "--from", instant(change))
        scope.sign_trust()
        scope.settings["signing"]["evidence_key"] = "file:next/keys/evidence.key.pem"
        scope.write()
        self.start()

    def live(self):
        """Three months."""
        self.start()
        self.plain(3)
        self.down(1, "stop")
        self.plain(2)
        self.killed("collect")
        self.killed("upload")
        self.down(5, "kill")
        self.clock_goes_back()
        self.plain(2)
        self.away(4, "503 SlowDown")
        self.plain(2)
        self.killed("log")
        self.killed("seal")
        self.plain(3)
        self.clock_goes_forward()
        self.plain(2)
        self.killed("spool", wiped=True)
        self.killed("log", wiped=True)
        self.rotate()
        self.plain(3)
        self.away(6, "403 AccessDenied")
        self.down(2, "kill")
        self.killed("sidecar")
        self.killed("collect", wiped=True)
        self.clock_goes_back()
        self.down(9, "stop")
        self.plain(SLOTS - self.day)
        assert self.service.number("evidenced_spool_bundles") == 0
        self.service.stop()


@pytest.fixture
def quarter(simulated, tmp_path):
    authority, cert, key = certificate(tmp_path)
    refuse = tmp_path / "refuse"
    with emulators.moto(cert=cert, key=key, refuse=refuse) as server:
        more = {"service": {"listen": f"127.0.0.1:{emulators.free_port()}"}}
        scope = Scope(tmp_path / "scope", simulated, BucketStore(Cloud(server, authority)), schedule="0 2 * * *",
                      since=FIRST - DAY, more=more)
        seed = int(os.environ.get("EVIDENCED_QUARTER_SEED") or time.time_ns() % 1_000_000_000)
        print(f"EVIDENCED_QUARTER_SEED={seed}")
        lived = Quarter(scope, refuse, seed)
        try:
            yield lived
        finally:
            if lived.service and lived.service.process.poll() is None:
                lived.service.kill()


def test_a_quarter_of_outages_kills_and_a_new_key_is_genuine_and_names_the_missed_slots(quarter, figures):
    begun = time.monotonic()
    quarter.live()
    lived = time.monotonic() - begun
    code, report = quarter.scope.verify("--quarter", QUARTER)
    assert (code, report["refused"], report["problems"]) == (4, [], []), report
    assert (report["slotsDue"], report["slotsSequenced"], report["slotsOpened"]) == (SLOTS, SLOTS, SLOTS)
    told = {it["subject"]: it["detail"] for it in report["exceptions"] if not it["detail"].startswith("undated: ")}
    assert set(told) == {name(slot) for slot in quarter.missed}
    # Each says from when to when nobody was there: until the run that came back.
    for slot, back in quarter.missed.items():
        assert told[name(slot)].startswith("missed, "), told[name(slot)]
        assert told[name(slot)].endswith(f" and {instant(back)}"), told[name(slot)]
    # In the log in the order of their slots, also those that waited; signed by the key of their time.
    statements = quarter.statements()
    assert [slot for _, slot, _ in statements] == [name(FIRST + day * DAY) for day in range(SLOTS)]
    assert len({key for *_, key in statements}) == 2
    keys = quarter.scope.store.keys()
    assert "trust/root-v2.dsse.json" in keys
    assert len([key for key in keys if key.endswith(".zip")]) == SLOTS
    quarter.scope.nothing_is_left_over()
    figures(f"quarter, {quarter.scope.store.name}: {SLOTS} slots, {len(quarter.missed)} missed, "
            f"{len(quarter.waited)} waited for the bucket, killed in {', '.join(quarter.kills)}, {lived:.0f} s, "
            f"EVIDENCED_QUARTER_SEED={quarter.seed}")
