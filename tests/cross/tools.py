"""Verifiers by other hands, each as a function of a desk: True when it accepts, False when it refuses.

A tool that could not run at all raises: a missing program must not look like a refusal.
"""

import base64
import json
import pathlib
import subprocess
import sys

import bagit
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

HERE = pathlib.Path(__file__).resolve().parent
BY_HAND = ["fingerprint", "unpack", "bag-signature", "bag-files", "bag-set", "statement", "statement-zip", "checkpoint",
           "position", "inclusion"]


def verdict(arguments, refused=1, **options):
    """Of a program that ends with 0 or with `refused`."""
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, check=False, **options)
    assert done.returncode in (0, refused), (arguments, done.returncode, done.stderr)
    return done.returncode == 0


def ssh_keygen(desk):
    """`ssh-keygen -Y verify` over the zip, with the trust root's own allowed_signers."""
    signers = desk.trust / "allowed_signers-v1"
    with desk.path().open("rb") as zipped:
        return verdict(["ssh-keygen", "-Y", "verify", "-f", signers, "-I", desk.variables["origin"], "-n", "evidenced", "-s",
                        desk.path(0, ".sshsig")], refused=255, stdin=zipped)


def openssl_and_sha256sum(desk):
    """`openssl pkeyutl`, `openssl dgst`, `sha256sum` and `unzip`, as docs/VERIFY.md says."""
    return desk.failed(*BY_HAND) is None


def openssl_ts(desk):
    """`openssl ts -verify`: the token over the zip and the token over the signature of the statement."""
    envelope = json.loads(desk.path(0, ".sigstore.json").read_text(encoding="utf-8"))
    token = envelope["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"]
    (desk.folder / "token").write_bytes(base64.b64decode(token))
    (desk.folder / "signature").write_bytes(base64.b64decode(envelope["dsseEnvelope"]["signatures"][0]["sig"]))
    pairs = [(desk.path(), desk.path(0, ".tsr")), (desk.folder / "signature", desk.folder / "token")]
    return all(verdict(["openssl", "ts", "-verify", "-data", data, "-in", token, "-CAfile", desk.variables["tsa_root"]])
               for data, token in pairs)


def bagit_py(desk):
    """bagit.py on the unpacked bag."""
    folder = desk.folder / "unpacked"
    if not verdict(["unzip", "-q", "-o", desk.path(), "-d", folder], refused=9):
        return False
    try:
        bagit.Bag(str(folder / desk.path().stem)).validate()
    except bagit.BagError:
        return False
    return True


def securesystemslib(desk):
    """securesystemslib's DSSE: the envelope as it is, the pinned key, one signature needed."""
    envelope = json.loads(desk.path(0, ".sigstore.json").read_text(encoding="utf-8"))["dsseEnvelope"]
    pem = desk.variables["key"].read_text(encoding="ascii")
    key = SSlibKey.from_crypto(load_pem_public_key(pem.encode()), keyid=envelope["signatures"][0]["keyid"])
    try:
        Envelope.from_dict(envelope).verify([key], 1)
    except VerificationError:
        return False
    return True


def pyca(desk):
    """tests/verify/verify.py: the standard library and pyca/cryptography."""
    program = HERE.parent / "verify" / "verify.py"
    return verdict([sys.executable, program, desk.path(), desk.variables["key"], desk.variables["fingerprint"],
                    desk.variables["log_key"]])


def sigstore(desk):
    """@sigstore/verify, with the trust root's own trusted_root.json."""
    return verdict(["node", HERE / "sigstore.mjs", desk.path(0, ".sigstore.json"), desk.variables["key"],
                    desk.trust / "trusted_root-v1.json"])


def page_in(verifier):
    """The page that `evidenced verify-page` prints, with both keys compared."""
    def judge(desk):
        tab = verifier()
        try:
            tab.key("evidence", desk.variables["key"].read_text(encoding="ascii"), desk.variables["fingerprint"])
            tab.key("log", desk.variables["log_key"].read_text(encoding="ascii"))
            names = [desk.path(0, suffix) for suffix in ("", ".sigstore.json", ".tlog-proof", ".sshsig", ".tsr")]
            result = tab.files([name for name in names if name.exists()])[0]["result"]
        finally:
            tab.tab.close()
        assert result in ("genuine", "not-genuine"), result
        return result == "genuine"
    return judge
