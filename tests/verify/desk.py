"""A folder with bundles, sidecars, keys and a time-stamp authority, and forgeries of them: for tests of other verifiers.

A forgery is a function that changes the folder. Those of `resigned` are signed with the test key, so that the check
behind the signature has to see them; the others are made without it.
"""

import base64
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "page"))

import forge  # noqa: E402
from forge import VECTORS, maker  # noqa: E402

SCRIPT = HERE / "verify.sh"
IDS = [vector["id"] for vector in VECTORS["bundles"]]
ORIGIN = maker.ORIGIN
EVIDENCE_FILE = "data/evidence/111122223333/eu-central-1/vpc.vpcs.json"


class Desk:
    """A folder with keys, bundles and sidecars, and the variables of the document."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "evidence.pub.pem").write_text(forge.EVIDENCE_PEM, encoding="utf-8")
        (folder / "log.pub.pem").write_text(forge.LOG_PEM, encoding="utf-8")
        (folder / "other.pub.pem").write_text(forge.WITNESS_PEM, encoding="utf-8")
        self.number = 0
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

    def run(self, *steps, number=None, **variables):
        number = self.number if number is None else number
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


# --- the time-stamp authority ------------------------------------------------------------------------------------------


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

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A time-stamp authority of openssl: `root.pem` issued its certificate, `stranger.pem` did not."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "tsa.cnf").write_text(TSA.format(folder), encoding="utf-8")
        (folder / "serial").write_text("01\n", encoding="utf-8")
        for name in ("root", "stranger"):
            self.openssl("req", "-x509", *CURVE, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}",
                         "-days", "2", "-config", "tsa.cnf", "-extensions", "ca")
        self.openssl("req", "-new", *CURVE, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=tsa", "-config", "tsa.cnf")
        self.openssl("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2", "-days", "2",
                     "-out", "tsa.pem", "-extfile", "tsa.cnf", "-extensions", "stamping")
        self.tokens = {}

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def token(self, data):
        """The answer to a request about these bytes; the same answer for the same bytes."""
        if data not in self.tokens:
            (self.folder / "data").write_bytes(data)
            self.openssl("ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "query")
            self.openssl("ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf", "-section", "it", "-out", "answer")
            self.tokens[data] = (self.folder / "answer").read_bytes()
        return self.tokens[data]


# --- forgeries ---------------------------------------------------------------------------------------------------------


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


def log_without_a_day(desk):
    """Seen from the last day."""
    no_day_in_the_middle(desk)
    desk.number = 2


def log_with_another_first_day(desk):
    """The key signed it; the checkpoint of the last day is about another."""
    about_other_schedule(desk)
    desk.number = 2


def no_bundle(desk):
    desk.variables["folder"] = desk.folder / "empty"
