"""Keys that never leave KMS: a whole run signs its bundle and its log with two of them, and the result verifies."""

import pytest
from cryptography.hazmat.primitives import serialization

from bucket import PREFIX, Desk, last_slot

ORIGIN = "evidence.example.com/store"


class Keys:
    """Two Ed25519 keys in KMS, and a trust root that names them."""

    def __init__(self, cloud, desk):
        self.kms, self.ids, publics = cloud.client("kms"), {}, {}
        for role in ("evidence", "log"):
            made = self.kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
            self.ids[role] = made["KeyMetadata"]["Arn"]
            der = self.kms.get_public_key(KeyId=self.ids[role])["PublicKey"]
            publics[role] = desk.folder / f"kms-{role}.pub.pem"
            publics[role].write_bytes(serialization.load_der_public_key(der).public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo,
            ))
        trust, offline = desk.folder / "kms-trust", desk.folder / "offline"
        for command in (
            ["init", "--threshold", "1", "--holder", f"test={offline / 'root.pub.pem'}", "--evidence",
             publics["evidence"], "--log", f"{ORIGIN}={publics['log']}", "--from", "2020-01-01T00:00:00Z"],
            ["sign", "--key", offline / "root.key.pem"],
        ):
            done = desk.run("trust", command[0], "--dir", trust, *command[1:])
            assert done.returncode == 0, done.stderr
        shown = desk.run("trust", "show", "--dir", trust)
        words = shown.stdout.split()
        desk.fingerprint = words[words.index("fingerprint") + 1]
        desk.settings["signing"] |= {
            "evidence_key": f"awskms:{self.ids['evidence']}", "log_key": f"awskms:{self.ids['log']}",
            "trust_root": "kms-trust",
        }
        desk.write()


@pytest.fixture
def signed(ministack, tmp_path):
    bucket = ministack.bucket()
    desk = Desk(ministack, tmp_path, bucket)
    return desk, Keys(ministack, desk)


def test_a_run_signed_in_kms_verifies_from_the_copy_of_the_bucket(signed, ministack, tmp_path):
    desk, _ = signed
    for path in (tmp_path / "keys").iterdir():
        path.unlink()  # nothing may come from the files
    done = desk.collect("--slot", last_slot().strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert done.returncode in (0, 4), done.stderr
    store = ministack.download(desk.bucket, tmp_path / "copy")
    done = desk.verify(store)
    assert done.returncode in (0, 4), done.stdout + done.stderr


@pytest.mark.parametrize("spec, usage", [("ECC_NIST_P256", "SIGN_VERIFY"), ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")])
@pytest.mark.parametrize("role", ["evidence_key", "log_key"])
def test_a_kms_key_of_another_kind_is_refused_before_anything_is_written(signed, ministack, spec, usage, role):
    desk, keys = signed
    other = keys.kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]
    desk.settings["signing"][role] = f"awskms:{other}"
    desk.write()
    done = desk.collect()
    assert done.returncode == 6 and other in done.stderr and "hint: " in done.stderr, done.stderr
    assert ministack.keys(desk.bucket) == []


def test_a_disabled_key_is_said_and_nothing_of_the_run_is_published(signed, ministack):
    desk, keys = signed
    keys.kms.disable_key(KeyId=keys.ids["evidence"])
    done = desk.collect()
    assert done.returncode not in (0, 4) and keys.ids["evidence"] in done.stderr, done.stderr
    assert not [key for key in ministack.keys(desk.bucket) if key.startswith(f"{PREFIX}/bundles/")]
