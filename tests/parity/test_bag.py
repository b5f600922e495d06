"""The bundle that the collector made, checked by tools of other hands, and refused by ours after any change.

The three commands are those of docs/VERIFY.md (the format's 2.7 ii) and of the README inside each bundle.
"""

import pathlib
import random
import shutil
import subprocess
import sys
import zipfile

import pytest

import emulators

THREE_COMMANDS = (
    "openssl pkeyutl -verify -pubin -inkey {key} -rawin -in tagmanifest-sha256.txt -sigfile tagmanifest-sha256.txt.sig",
    "sha256sum -c --strict tagmanifest-sha256.txt && sha256sum -c --strict manifest-sha256.txt",
    'test "$(find data -type f | wc -l)" -eq "$(wc -l < manifest-sha256.txt)" && test -z "$(find . -type l)"',
)
GENUINE, NOT_GENUINE = (0, 4), 5


@pytest.fixture(scope="module")
def bundle(moto):
    return moto.bundle


@pytest.fixture
def unpacked(bundle, tmp_path):
    with zipfile.ZipFile(bundle.path) as archive:
        archive.extractall(tmp_path)
    return tmp_path / bundle.name


def shell(command, folder):
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)


def three_commands(folder, key):
    """Exit codes of the three commands."""
    return [shell(command.format(key=key), folder).returncode for command in THREE_COMMANDS]


def bagit(folder):
    return subprocess.run(
        [sys.executable, "-m", "bagit", "--validate", str(folder)], capture_output=True, text=True, check=False,
    )


VERIFIERS = {
    "evidenced verify": lambda path, key: [emulators.program("evidenced"), "verify", path, "--key", key],
    "evidenced-verify": lambda path, key: [emulators.program("evidenced-verify"), path, "--key", key],
}


@pytest.fixture(params=VERIFIERS)
def verify(request, bundle):
    """A function from a zip to the verifier's exit code and words."""
    def run(path, key=bundle.key):
        command = [str(word) for word in VERIFIERS[request.param](path, key)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_three_commands_accept_the_bundle(unpacked, bundle):
    assert three_commands(unpacked, bundle.key.resolve()) == [0, 0, 0]


def test_the_readme_inside_prints_the_three_commands(unpacked):
    words = (unpacked / "README.txt").read_text(encoding="utf-8")
    for part in ("openssl pkeyutl -verify", "sha256sum -c --strict tagmanifest-sha256.txt", "find data -type f"):
        assert part in words


def test_the_three_commands_refuse_a_changed_an_added_and_a_missing_file(unpacked, bundle):
    key = bundle.key.resolve()
    victim = next(unpacked.glob("data/evidence/**/*.json"))
    kept = victim.read_bytes()
    victim.write_bytes(kept + b"\n")
    assert three_commands(unpacked, key)[1] != 0
    victim.unlink()
    assert three_commands(unpacked, key)[1:] != [0, 0]
    victim.write_bytes(kept)
    (unpacked / "data" / "extra.json").write_text("{}", encoding="utf-8")
    assert three_commands(unpacked, key)[2] != 0
    (unpacked / "data" / "extra.json").unlink()
    assert three_commands(unpacked, key) == [0, 0, 0]


def test_the_first_command_refuses_another_key(unpacked, tmp_path):
    other = tmp_path / "other.pem"
    public = tmp_path / "other.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", other], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", other, "-pubout", "-out", public], check=True, capture_output=True)
    assert three_commands(unpacked, public)[0] != 0


def test_openssl_reads_the_private_key_that_init_wrote(bundle):
    """PKCS#8 version 1: OpenSSL 3.0 refuses version 2."""
    private = bundle.key.with_name(bundle.key.name.replace(".pub.pem", ".key.pem"))
    done = subprocess.run(["openssl", "pkey", "-in", private, "-pubout"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == bundle.key.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o400


def test_bagit_validates_the_bundle(unpacked):
    done = bagit(unpacked)
    assert done.returncode == 0, done.stderr


def test_bagit_refuses_a_changed_file(unpacked):
    victim = next(unpacked.glob("data/evidence/**/*.json"))
    victim.write_bytes(victim.read_bytes().replace(b'"', b"'", 1))
    assert bagit(unpacked).returncode != 0


def test_both_verifiers_say_genuine(verify, bundle):
    code, words = verify(bundle.path)
    assert code in GENUINE, words


def test_another_key_is_not_genuine(verify, bundle, tmp_path):
    other, public = tmp_path / "other.pem", tmp_path / "other.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", other], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", other, "-pubout", "-out", public], check=True, capture_output=True)
    code, words = verify(bundle.path, public)
    assert code == NOT_GENUINE, words


# -- every file flipped, dropped, renamed, added -------------------------------------------------------------------------


def entries(bundle):
    """(header, bytes) of each entry, in the archive's order."""
    with zipfile.ZipFile(bundle.path) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def pack(path, listed):
    """A zip in the profile of the format, so that only the content is at fault."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for info, data in sorted(listed, key=lambda entry: entry[0].filename.encode()):
            header = zipfile.ZipInfo(info.filename, info.date_time)
            header.compress_type, header.create_system = info.compress_type, info.create_system
            header.external_attr, header.create_version = info.external_attr, info.create_version
            header.extract_version = info.extract_version
            archive.writestr(header, data)
    return path


def renamed(info, name):
    header = zipfile.ZipInfo(name, info.date_time)
    header.compress_type, header.create_system = info.compress_type, info.create_system
    header.external_attr, header.create_version = info.external_attr, info.create_version
    header.extract_version = info.extract_version
    return header


def flipped(data, number):
    place = (0, len(data) // 2, len(data) - 1)[number % 3]
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


@pytest.fixture
def forged(bundle, tmp_path):
    """A path for a forgery under the bundle's own name: the name is checked too."""
    return tmp_path / bundle.path.name


def test_a_bundle_packed_anew_is_genuine(verify, bundle, forged):
    """The baseline of the forgeries below: the packing by this test is not what is refused."""
    code, words = verify(pack(forged, entries(bundle)))
    assert code in GENUINE, words


def accepted(verify, forged, forgeries):
    """Forgeries that were not refused as not genuine."""
    wrong = []
    for what, listed in forgeries:
        code, words = verify(pack(forged, listed))
        if code != NOT_GENUINE:
            wrong.append(f"{what}: exit {code}: {words[-300:]}")
    return wrong


def test_every_flipped_file_is_refused(verify, bundle, forged):
    every = entries(bundle)
    assert accepted(verify, forged, (
        (f"{info.filename} flipped", [(i, flipped(d, at) if i is info else d) for i, d in every])
        for at, (info, _) in enumerate(every)
    )) == []


def test_every_dropped_file_is_refused(verify, bundle, forged):
    every = entries(bundle)
    assert accepted(verify, forged, (
        (f"{info.filename} dropped", [entry for entry in every if entry[0] is not info]) for info, _ in every
    )) == []


def test_every_renamed_file_is_refused(verify, bundle, forged):
    every = entries(bundle)
    assert accepted(verify, forged, (
        (f"{info.filename} renamed", [(renamed(i, i.filename + "x") if i is info else i, d) for i, d in every])
        for info, _ in every
    )) == []


def test_two_files_with_their_names_exchanged_are_refused(verify, bundle, forged):
    every = entries(bundle)
    documents = [entry for entry in every if "/data/evidence/" in entry[0].filename][:2]
    (one, first), (other, second) = documents
    exchanged = [(i, second if i is one else first if i is other else d) for i, d in every]
    assert accepted(verify, forged, [("exchanged", exchanged)]) == []


@pytest.mark.parametrize("name", [
    "data/evidence/extra.json", "data/extra.json", "extra.txt", "fetch.txt", "data/evidence/../../../escape.json",
    "manifest-sha512.txt", ".hidden",
])
def test_an_added_file_is_refused(verify, bundle, forged, name):
    every = entries(bundle)
    added = every + [(renamed(every[0][0], f"{bundle.name}/{name}"), b"{}\n")]
    assert accepted(verify, forged, [(f"{name} added", added)]) == []


def test_a_file_outside_the_root_folder_is_refused(verify, bundle, forged):
    every = entries(bundle)
    assert accepted(verify, forged, [("added", every + [(renamed(every[0][0], "outside.txt"), b"")])]) == []


def test_the_archive_cut_short_or_with_something_around_it_is_refused(verify, bundle, forged):
    whole = bundle.path.read_bytes()
    for what, changed in (
        ("cut", whole[:-1]), ("half", whole[: len(whole) // 2]), ("behind", whole + b"\0"), ("before", b"\0" + whole),
        ("empty", b""),
    ):
        forged.write_bytes(changed)
        code, words = verify(forged)
        assert code == NOT_GENUINE, f"{what}: exit {code}: {words}"


def test_any_flipped_bit_of_the_archive_is_refused(verify, bundle, forged):
    """A sample of bits over the whole file: data, local headers, central directory, end record."""
    whole = bundle.path.read_bytes()
    chosen = random.Random(20261122)
    places = [chosen.randrange(len(whole)) for _ in range(150)] + list(range(len(whole) - 22, len(whole)))
    wrong = []
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << chosen.randrange(8)
        forged.write_bytes(changed)
        code, words = verify(forged)
        if code != NOT_GENUINE:
            wrong.append(f"byte {place} of {len(whole)}: exit {code}: {words[-200:]}")
    assert wrong == []


def test_a_bundle_under_another_name_is_refused(verify, bundle, tmp_path):
    other = pathlib.Path(shutil.copy(bundle.path, tmp_path / bundle.path.name.replace("parity", "other")))
    code, words = verify(other)
    assert code == NOT_GENUINE, words
