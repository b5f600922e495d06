"""docs/VERIFY.md does what it says: its commands accept the vectors, and each step refuses what it is there for."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import make_script  # noqa: E402
from desk import *  # noqa: E402, F403
from desk import SCRIPT, VECTORS, Authority, Desk, forge, maker  # noqa: E402

STEPS = list(make_script.blocks())
DATE = {"date"}
ALL = [step for step in STEPS if step not in DATE]


PACKAGES = {"openssl": "openssl", "sha256sum": "coreutils", "unzip": "unzip", "ssh-keygen": "openssh-client"}


@pytest.fixture(scope="session", autouse=True)
def tools():
    """The tools of the document, of Debian's packages."""
    missing = [package for tool, package in PACKAGES.items() if not shutil.which(tool)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=False, capture_output=True)
        subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], check=False, capture_output=True)
        missing = [package for tool, package in PACKAGES.items() if not shutil.which(tool)]
    assert not missing, f"install {', '.join(missing)}: docs/VERIFY.md uses what is in there"


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_the_script_is_the_document():
    assert SCRIPT.read_text(encoding="utf-8") == make_script.script()
    for commands in make_script.blocks().values():
        assert "set -e" not in commands


@pytest.mark.parametrize("number", range(3))
def test_every_step_accepts_every_vector(desk, number):
    assert desk.failed(*ALL, number=number) is None


# --- a forgery for each step -----------------------------------------------------------------------------------------

FORGERIES = [
    ("fingerprint", other_fingerprint), ("fingerprint", other_key), ("fingerprint", missing_key), ("fingerprint", not_a_key),
    ("authorship", changed_zip), ("authorship", other_key), ("authorship", swapped(".sshsig")),
    ("authorship", dropped_sidecar(".sshsig")),
    ("unpack", escaping_name), ("unpack", not_a_zip),
    ("bag-signature", other_key), ("bag-signature", missing_key), ("bag-signature", changed_evidence_and_manifests),
    ("bag-files", changed_evidence), ("bag-files", changed_manifest_line), ("bag-files", dropped_evidence),
    ("bag-set", extra_evidence), ("bag-set", extra_tag_file),
    ("bagit", changed_evidence), ("bagit", dropped_evidence), ("bagit", extra_evidence),
    ("statement", changed_statement), ("statement", other_key), ("statement", dropped_sidecar(".sigstore.json")),
    ("statement-zip", swapped(".sigstore.json")), ("statement-zip", about_other_bytes), ("statement-zip", about_other_name),
    ("statement-zip", suffix_on_zip),
    ("checkpoint", other_log_key), ("checkpoint", changed_root), ("checkpoint", other_origin),
    ("checkpoint", dropped_sidecar(".tlog-proof")),
    ("position", at_other_place), ("position", index_of_another), ("position", swapped(".tlog-proof")),
    ("inclusion", resealed_root), ("inclusion", added_hash), ("inclusion", about_other_schedule),
    ("chain", no_day_in_the_middle), ("chain", other_day_in_the_middle), ("chain", zip_of_the_middle_changed),
    ("chain", rewritten_first_day), ("chain", no_bundle),
    ("log-root", log_without_a_day), ("log-root", log_with_another_first_day), ("log-root", no_bundle),
]
# What a step needs to have run before it: steps that the forgery of its test does not touch.
BEFORE = {
    "authorship": ["signers"], "bag-signature": ["unpack"], "bag-files": ["unpack"], "bag-set": ["unpack"], "bagit": ["unpack"],
    "statement-zip": ["unpack", "statement"], "position": ["statement", "checkpoint"],
    "inclusion": ["statement", "checkpoint", "position"], "log-root": ["checkpoint"],
}


@pytest.mark.parametrize("step, forgery", FORGERIES, ids=[f"{step}-{forgery.__name__}" for step, forgery in FORGERIES])
def test_verify_sh_mutations(desk, step, forgery):
    before = BEFORE.get(step, [])
    assert desk.failed(*before, step) is None
    forgery(desk)
    assert desk.failed(*before, step) == step


def test_every_step_has_a_forgery():
    # `signers` only writes down the key: what is wrong with it shows in `authorship`.
    assert {step for step, _ in FORGERIES} | {"signers"} | DATE == set(STEPS)


def test_sha256sum_alone_does_not_see_an_added_file(desk):
    extra_evidence(desk)
    assert desk.failed("unpack", "bag-signature", "bag-files") is None


def test_the_failure_of_one_step_is_the_failure_of_the_script(desk):
    other_key(desk)
    done = desk.run(*ALL)
    assert done.returncode == 1 and "FAILED  fingerprint" in done.stdout
    assert desk.run("nonsense").returncode == 2 and desk.run().returncode == 2


# --- the date --------------------------------------------------------------------------------------------------------

@pytest.fixture
def authority(desk):
    """A time-stamp authority, and its token about the first vector."""
    made = Authority(desk.folder / "tsa")
    desk.path(0, ".tsr").write_bytes(made.token(desk.path().read_bytes()))
    desk.variables["tsa_root"] = made.folder / "root.pem"
    return made


def test_the_date_is_accepted_and_refused_for_another_zip_and_another_authority(desk, authority):
    assert desk.failed("date") is None
    assert desk.failed("date", tsa_root=authority.folder / "stranger.pem") == "date"
    suffix_on_zip(desk)
    assert desk.failed("date") == "date"
    desk.path().write_bytes(forge.zip_of(0))
    assert desk.failed("date") is None
    shutil.copy(desk.path(0, ".sshsig"), desk.path(0, ".tsr"))
    assert desk.failed("date") == "date"


# --- Python ----------------------------------------------------------------------------------------------------------


def python(desk, *more, key="evidence.pub.pem", fingerprint=VECTORS["evidence_key"]["keyid"]):
    return subprocess.run([sys.executable, HERE / "verify.py", desk.path(), desk.folder / key, fingerprint, *more],
                          capture_output=True, text=True, check=False)


def test_python_accepts_the_vectors_alone_and_logged(desk):
    done = python(desk, desk.folder / "log.pub.pem")
    assert done.returncode == 0 and f"entry 0 of {ORIGIN}" in done.stdout
    desk.path(0, ".sigstore.json").unlink()
    done = python(desk)
    assert done.returncode == 0 and "not checked: there is no statement" in done.stdout


PYTHON_SEES = [
    changed_evidence, changed_evidence_and_manifests, changed_manifest_line, dropped_evidence, extra_evidence, extra_tag_file,
    not_a_zip, suffix_on_zip, changed_statement, about_other_bytes, about_other_name, at_other_place, about_other_schedule,
    swapped(".sigstore.json"), swapped(".tlog-proof"), changed_root, index_of_another, resealed_root, added_hash,
    dropped_sidecar(".tlog-proof"),
]


@pytest.mark.parametrize("forgery", PYTHON_SEES, ids=lambda it: it.__name__)
def test_python_refuses(desk, forgery):
    forgery(desk)
    done = python(desk, desk.folder / "log.pub.pem")
    assert done.returncode == 1 and "NOT GOOD" in done.stdout, done.stderr


def test_python_refuses_another_key_and_another_fingerprint(desk):
    assert python(desk, fingerprint="0" * 64).returncode == 1
    assert python(desk, key="other.pub.pem").returncode == 1
    assert python(desk, key="other.pub.pem", fingerprint=maker.WITNESS.id).returncode == 1
    assert python(desk, desk.folder / "evidence.pub.pem").returncode == 1


# --- Windows ---------------------------------------------------------------------------------------------------------


def test_the_line_of_allowed_signers_is_the_one_that_the_vectors_have(desk):
    probe = desk.folder / "probe.sh"
    text = SCRIPT.read_text(encoding="utf-8").replace("trap 'rm -rf \"$work\"' EXIT", "echo \"$work\" > " + str(desk.folder / "work"))
    probe.write_text(text, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in desk.variables.items()}}
    subprocess.run(["sh", probe, "signers"], env=environment, check=True, capture_output=True)
    work = pathlib.Path((desk.folder / "work").read_text(encoding="utf-8").strip())
    assert (work / "allowed_signers").read_text(encoding="utf-8") == VECTORS["evidence_key"]["allowed_signers"] + "\n"
    shutil.rmtree(work)
