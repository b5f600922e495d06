"""The commands of docs/VERIFY.md on a store that the collector itself wrote: the one of `evidenced demo`."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import make_script  # noqa: E402
from desk import SCRIPT  # noqa: E402

STEPS = [step for step in make_script.blocks() if step != "date"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The folder of a demonstration: keys, store, trust root."""
    program = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug" / "evidenced"
    assert program.exists(), "build the program first: cargo build"
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run([program, "demo"], cwd=folder, check=True, capture_output=True)
    return folder / "evidenced-demo"


def ran(store, folder, *steps, **variables):
    zipped = next(folder.glob("evidence-*.zip"))
    key = store / "keys" / "evidence.pub.pem"
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", key, "-outform", "DER"], check=True, capture_output=True).stdout
    fingerprint = subprocess.run(["sha256sum"], input=der, check=True, capture_output=True).stdout[:64].decode()
    origin = (store / "store" / "log" / "checkpoint").read_text(encoding="utf-8").split("\n")[0]
    given = {"zip": zipped, "key": key, "log_key": store / "keys" / "log.pub.pem", "origin": origin, "folder": folder,
             "fingerprint": fingerprint, "LC_ALL": "C.UTF-8",
             "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", **variables}
    return subprocess.run([SCRIPT, *steps], env={name: str(value) for name, value in given.items()}, capture_output=True,
                          text=True, check=False)


def bundles(store):
    return next((store / "store" / "bundles").glob("*/*/*/evidence-*.zip")).parent


def test_every_step_accepts_what_the_collector_wrote(store):
    done = ran(store, bundles(store), *STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok      ") == len(STEPS)


def test_the_store_holds_the_checkpoint_that_the_proof_has(store):
    proof = next(bundles(store).glob("*.tlog-proof")).read_text(encoding="utf-8")
    assert proof.split("\n\n", 1)[1] == (store / "store" / "log" / "checkpoint").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix, step", [
    ("", "authorship"), ("", "statement-zip"), (".sshsig", "authorship"), (".sigstore.json", "statement"),
    (".tlog-proof", "checkpoint"),
])
def test_a_changed_file_of_the_store_is_refused(store, tmp_path, suffix, step):
    folder = tmp_path / "changed"
    shutil.copytree(bundles(store), folder)
    path = next(path for path in folder.iterdir() if path.name.endswith(f".zip{suffix}"))
    content = bytearray(path.read_bytes())
    # In a zip the last byte before the end record, in a sidecar a character of what is signed.
    at = -23 if suffix == "" else content.index(b"payload\":\"") + 60 if suffix == ".sigstore.json" else len(content) // 2
    content[at] ^= 1
    path.write_bytes(bytes(content))
    before = {"authorship": ["signers"], "statement-zip": ["unpack", "statement"]}.get(step, [])
    done = ran(store, folder, *before, step)
    assert done.returncode == 1, done.stdout + done.stderr
