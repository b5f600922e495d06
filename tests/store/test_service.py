"""`evidenced run` against servers of other hands: what it writes over TLS, what it refuses, and with keys in KMS."""

import contextlib
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request

import emulators
from bucket import PREFIX, Desk, last_slot
from test_kms import Keys

PATIENCE_S = 120


class Service:
    """A running service of a desk."""

    def __init__(self, desk, *arguments):
        self.port = emulators.free_port()
        desk.settings["service"] = {"listen": f"127.0.0.1:{self.port}"}
        desk.write()
        self.log = open(desk.folder / "service.log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [str(emulators.program("evidenced")), "-v", "--log-format", "json", "run", "-c", str(desk.config), *arguments],
            env=desk.cloud.env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
        )
        self.desk = desk

    def ask(self, path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return None, ""

    def metric(self, name):
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return None

    def until(self, what, look):
        deadline = time.monotonic() + PATIENCE_S
        while not look():
            said = (self.desk.folder / "service.log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline and self.process.poll() is None, f"{what}: {said[-4000:]}"
            time.sleep(0.1)

    def until_stored(self, runs):
        def stored():
            results = (self.metric(f'evidenced_runs_total{{result="{word}"}}') or 0 for word in ("complete", "partial"))
            return sum(results) == runs
        self.until(f"{runs} runs", stored)


@contextlib.contextmanager
def running(desk, *arguments):
    service = Service(desk, *arguments)
    try:
        yield service
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()
        service.log.close()


def test_a_service_that_is_refused_its_bucket_writes_not_even_a_lease(moto, tmp_path):
    bucket = moto.bucket(policy=False)
    desk = Desk(moto, tmp_path, bucket)
    done = desk.run("run", "-c", desk.config)
    assert done.returncode == 6, done.stderr
    line = next(line for line in done.stderr.splitlines() if "add this statement to the bucket policy: " in line)
    assert moto.keys(bucket) == []
    moto.make_https_only(bucket, json.loads(line.partition("policy: ")[2]))
    with running(desk) as service:
        service.until_stored(1)
    keys = moto.keys(bucket)
    assert f"{PREFIX}/lease/{last_slot():%Y%m%dT%H%M%SZ}/1" in keys and f"{PREFIX}/status/store.json" in keys


def test_a_service_stores_over_tls_and_the_copy_verifies(moto, tmp_path):
    bucket = moto.bucket()
    desk = Desk(moto, tmp_path, bucket)
    with running(desk) as service:
        service.until_stored(1)
        assert service.ask("/readyz")[0] == 200
        assert service.ask("/run", "POST")[0] == 202
        service.until_stored(2)
    store = moto.download(bucket, tmp_path / "copy")
    done = desk.verify(store)
    assert done.returncode in (0, 4), done.stdout + done.stderr


def test_a_service_signs_in_kms_before_and_after_a_restart(ministack, tmp_path):
    bucket = ministack.bucket()
    desk = Desk(ministack, tmp_path, bucket)
    Keys(ministack, desk)
    for path in (tmp_path / "keys").iterdir():
        path.unlink()  # nothing may come from the files
    for runs in (1, 2):
        with running(desk) as service:
            if runs == 2:
                service.until("the service", lambda: service.ask("/readyz")[0] == 200)
                assert service.ask("/run", "POST")[0] == 202
            service.until_stored(1)
    store = ministack.download(bucket, tmp_path / "copy")
    assert len(list(store.rglob("bundles/**/*.zip"))) == 2
    done = desk.verify(store)
    assert done.returncode in (0, 4), done.stdout + done.stderr


def test_a_key_that_kms_does_not_use_any_more_fails_runs_and_is_said(ministack, tmp_path):
    bucket = ministack.bucket()
    desk = Desk(ministack, tmp_path, bucket)
    keys = Keys(ministack, desk)
    with running(desk) as service:
        service.until_stored(1)
        keys.kms.disable_key(KeyId=keys.ids["evidence"])
        assert service.ask("/run", "POST")[0] == 202
        service.until("a failure", lambda: service.metric('evidenced_runs_total{result="failed"}') == 1)
        status, why = service.ask("/readyz")
        assert status == 503 and "the last run failed" in why
        keys.kms.enable_key(KeyId=keys.ids["evidence"])
        assert service.ask("/run", "POST")[0] == 202
        service.until_stored(2)
    said = (tmp_path / "service.log").read_text(encoding="utf-8")
    assert keys.ids["evidence"] in said and "the extra run failed" in said
