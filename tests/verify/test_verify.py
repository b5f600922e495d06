"""docs/VERIFY.md does what it says: its commands accept the vectors, and each step refuses what it is there for."""

import base64
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "page")]

import forge  # noqa: E402
import make_script  # noqa: E402
from forge import VECTORS, maker  # noqa: E402

SCRIPT = HERE / "verify.sh"
STEPS = list(make_script.blocks())
DATE = {"date"}
ALL = [step for step in STEPS if step not in DATE]
IDS = [vector["id"] for vector in VECTORS["bundles"]]
ORIGIN = maker.ORIGIN
EVIDENCE_FILE = "data/evidence/111122223333/eu-central-1/vpc.vpcs.json"


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


class Desk:
    """A folder with keys, bundles and sidecars, and the variables of the document."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "evidence.pub.pem").write_text(forge.EVIDENCE_PEM, encoding="utf-8")
        (folder / "log.pub.pem").write_text(forge.LOG_PEM, encoding="utf-8")
        (folder / "other.pub.pem").write_text(forge.WITNESS_PEM, encoding="utf-8")
        self.period = folder / "period"
        self.period.mkdir()
        for number in range(3):
            forge.write_vector(self.period, number)
        self.variables = {
            "key": folder / "evidence.pub.pem", "log_key": folder / "log.pub.pem", "origin": ORIGIN,
            "fingerprint": VECTORS["evidence_key"]["keyid"], "folder": self.period,
        }

    def path(self, number=0, suffix=""):
        return self.period / f"{IDS[number]}.zip{suffix}"

    def run(self, *steps, number=0, **variables):
        given = {**self.variables, "zip": self.path(number), **variables}
        environment = {"PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        environment |= {name: str(value) for name, value in given.items()}
        return subprocess.run([SCRIPT, *steps], env=environment, capture_output=True, text=True, check=False)

    def failed(self, *steps, **variables):
        """The step that failed; None when all passed."""
        done = self.run(*steps, **variables)
        assert done.returncode in (0, 1), done.stderr
        found = re.search(r"^FAILED  (\S+)$", done.stdout, re.M)
        assert (found is None) == (done.returncode == 0)
        passed = re.findall(r"^ok      (\S+)$", done.stdout, re.M)
        assert passed == list(steps)[:len(passed)] and (found or len(passed) == len(steps))
        return found and found[1]

    def rewrite(self, files, number=0):
        self.path(number).write_bytes(forge.zipped(IDS[number], files))

    def files(self, number=0):
        return forge.files_of(forge.zip_of(number))

    def replace(self, suffix, old, new, number=0):
        path = self.path(number, suffix)
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


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


def other_fingerprint(desk):
    desk.variables["fingerprint"] = "0" * 64


def other_key(desk):
    desk.variables["key"] = desk.folder / "other.pub.pem"


def missing_key(desk):
    desk.variables["key"] = desk.folder / "nothing.pem"


def not_a_key(desk):
    desk.variables["key"] = desk.path()


def changed_zip(desk):
    desk.path().write_bytes(forge.zip_of(0)[:-1] + b"x")


def suffix_on_zip(desk):
    desk.path().write_bytes(forge.zip_of(0) + b"x")


def swapped(suffix):
    def swap(desk):
        shutil.copy(desk.path(2, suffix), desk.path(0, suffix))
    swap.__name__ = f"swapped{suffix}"
    return swap


def dropped_sidecar(suffix):
    def drop(desk):
        desk.path(0, suffix).unlink()
    drop.__name__ = f"dropped{suffix}"
    return drop


def other_origin(desk):
    desk.variables["origin"] = "evidence.example.com/other"


def changed_evidence(desk):
    desk.rewrite({**desk.files(), EVIDENCE_FILE: b"{}\n"})


def changed_evidence_and_manifests(desk):
    files = {**desk.files(), EVIDENCE_FILE: b"{}\n"}
    files["manifest-sha256.txt"] = maker.manifest({path: it for path, it in files.items() if path.startswith("data/")})
    files["tagmanifest-sha256.txt"] = maker.manifest({path: files[path] for path in forge.TAGS})
    desk.rewrite(files)


def changed_manifest_line(desk):
    files = desk.files()
    files["manifest-sha256.txt"] = files["manifest-sha256.txt"].replace(b"a", b"b", 1)
    desk.rewrite(files)


def dropped_evidence(desk):
    desk.rewrite({path: it for path, it in desk.files().items() if path != EVIDENCE_FILE})


def extra_evidence(desk):
    desk.rewrite({**desk.files(), "data/evidence/111122223333/eu-central-1/zzz.json": b"{}\n"})


def extra_tag_file(desk):
    desk.rewrite({**desk.files(), "fetch.txt": b""})


def escaping_name(desk):
    desk.path().write_bytes(forge.zip_of(0).replace(b"0Z/README.txt", b"0Z/../ADM.txt"))


def not_a_zip(desk):
    desk.path().write_bytes(b"nothing")


def changed_statement(desk):
    """Another status, in a payload that is well-formed."""
    vector = VECTORS["bundles"][0]
    other = vector["statement"].replace('"status":"complete"', '"status":"complet3"')
    desk.replace(".sigstore.json", base64.b64encode(vector["statement"].encode()).decode(), base64.b64encode(other.encode()).decode())


def resigned(change):
    """A statement that the key did sign, about something else."""
    def resign(desk):
        statement = change(VECTORS["bundles"][0]["statement"]).encode()
        signature = base64.b64encode(maker.EVIDENCE.sign(maker.pae(statement))).decode()
        desk.path(0, ".sigstore.json").write_text(maker.sigstore_json(statement, signature), encoding="utf-8")
    return resign


about_other_bytes = resigned(lambda text: text.replace(VECTORS["bundles"][0]["zip_sha256"], "0" * 64))
about_other_name = resigned(lambda text: text.replace(f'"name":"{IDS[0]}.zip"', f'"name":"{IDS[2]}.zip"'))
at_other_place = resigned(lambda text: text.replace('"index":0', '"index":5'))
about_other_schedule = resigned(lambda text: text.replace("0 2 * * *", "0 3 * * *"))
for name in ("about_other_bytes", "about_other_name", "at_other_place", "about_other_schedule"):
    globals()[name].__name__ = name


def other_log_key(desk):
    desk.variables["log_key"] = desk.variables["key"]


def changed_root(desk):
    desk.replace(".tlog-proof", VECTORS["bundles"][0]["checkpoint"].split("\n")[2], base64.b64encode(bytes(32)).decode())


def index_of_another(desk):
    desk.replace(".tlog-proof", "index 0", "index 1")


def resealed_root(desk):
    """A checkpoint that the log key signed, of another tree."""
    other = maker.checkpoint([bytes(32)])
    desk.path(0, ".tlog-proof").write_text(f"c2sp.org/tlog-proof@v1\nindex 0\n\n{other}", encoding="utf-8")


def added_hash(desk):
    desk.replace(".tlog-proof", "index 0\n", f"index 0\n{base64.b64encode(bytes(32)).decode()}\n")


def no_day_in_the_middle(desk):
    for suffix in ("", *forge.SIDECARS):
        desk.path(1, suffix).unlink()


def other_day_in_the_middle(desk):
    """The third day under the name of the second, with all its files."""
    for suffix in ("", *forge.SIDECARS):
        shutil.copy(desk.path(2, suffix), desk.path(1, suffix))


def zip_of_the_middle_changed(desk):
    desk.path(1).write_bytes(forge.zip_of(1) + b"x")


def rewritten_first_day(desk):
    about_other_schedule(desk)


def no_bundle(desk):
    desk.variables["folder"] = desk.folder / "empty"


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
]
# What a step needs to have run before it: steps that the forgery of its test does not touch.
BEFORE = {
    "authorship": ["signers"], "bag-signature": ["unpack"], "bag-files": ["unpack"], "bag-set": ["unpack"], "bagit": ["unpack"],
    "statement-zip": ["unpack", "statement"], "position": ["statement", "checkpoint"],
    "inclusion": ["statement", "checkpoint", "position"],
}


@pytest.mark.parametrize("step, forgery", FORGERIES, ids=[f"{step}-{forgery.__name__}" for step, forgery in FORGERIES])
def test_the_step_refuses_the_forgery(desk, step, forgery):
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


TSA = """\
oid_section = oids
[oids]
[tsa]
default_tsa = it
[it]
serial = {0}/serial
crypto_device = builtin
signer_cert = {0}/tsa.pem
certs = {0}/tsa.pem
signer_key = {0}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:true
[stamping]
extendedKeyUsage = critical, timeStamping
"""


@pytest.fixture
def authority(desk):
    """A time-stamp authority of openssl, and the token of the first vector."""
    folder = desk.folder / "tsa"
    folder.mkdir()
    (folder / "tsa.cnf").write_text(TSA.format(folder), encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    def authority_of(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2", "-config", "tsa.cnf", "-extensions", "ca")

    authority_of("root")
    authority_of("stranger")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tsa.key", "-out",
            "tsa.csr", "-subj", "/CN=tsa", "-config", "tsa.cnf")
    openssl("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2", "-days", "2",
            "-out", "tsa.pem", "-extfile", "tsa.cnf", "-extensions", "stamping")
    openssl("ts", "-query", "-data", desk.path(), "-sha256", "-cert", "-out", "query")
    openssl("ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf", "-section", "it", "-out", desk.path(0, ".tsr"))
    desk.variables["tsa_root"] = folder / "root.pem"
    return folder


def test_the_date_is_accepted_and_refused_for_another_zip_and_another_authority(desk, authority):
    assert desk.failed("date") is None
    assert desk.failed("date", tsa_root=authority / "stranger.pem") == "date"
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
