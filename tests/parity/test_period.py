"""A period bundle that the program builds of its store, read by tools of other hands: bagit.py, sha256sum, unzip.

Three slots, the last of which is yesterday's, of an AWS that answers on loopback. The zip has a verify.html and a trust
folder inside, and neither may keep a BagIt validator from reading it.
"""

import datetime
import hashlib
import subprocess
import sys
import zipfile

import collector
import emulators
import pytest

REGION = "eu-central-1"


class Built:
    """A period bundle, the zips of its runs, and the fingerprint of the trust root that they name."""

    def __init__(self, path, runs, trust, fingerprint):
        self.path, self.runs, self.trust, self.fingerprint = path, runs, trust, fingerprint


@pytest.fixture(scope="module")
def period(tmp_path_factory):
    folder = tmp_path_factory.mktemp("period")
    today = datetime.datetime.now(datetime.UTC).date()
    days = [today - datetime.timedelta(days=back) for back in (3, 2, 1)]
    with emulators.simcloud("--accounts", 1, "--regions", REGION, "--seed", 7) as server:
        said = collector.evidenced(
            "init", "--dir", folder, "--scope", "parity", "--organisation", "Example Ltd",
            "--origin", "evidence.example.com/parity", env=server.env(),
        )
        config = folder / "evidenced.toml"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("[aws]", f'[aws]\nendpoint_url = "{server.address}"', 1), encoding="utf-8")
        for day in days:
            collector.evidenced(
                "collect", "-c", config, "--slot", f"{day}T02:00:00Z", env=server.env(REGION), expect=(0, 4),
            )
    collector.evidenced("period", "build", "-c", config, "--from", days[0], "--to", days[-1], "--name", "three-days")
    (fingerprint,) = (line.split()[-1] for line in said.splitlines() if line.split()[:1] == ["fingerprint"])
    store = folder / "store"
    return Built(store / "periods" / "parity-three-days.zip", sorted(store.glob("bundles/**/*.zip")), store / "trust",
                 fingerprint)


@pytest.fixture
def bag(period, tmp_path):
    subprocess.run(["unzip", "-q", period.path, "-d", tmp_path], check=True)
    return tmp_path / period.path.stem


def accepts(bag):
    """What bagit.py and sha256sum say of a folder."""
    bagit = subprocess.run([sys.executable, "-m", "bagit", "--validate", bag], capture_output=True, check=False)
    sums = subprocess.run(
        "sha256sum -c --strict tagmanifest-sha256.txt && sha256sum -c --strict manifest-sha256.txt",
        shell=True, cwd=bag, capture_output=True, check=False,
    )
    return bagit.returncode == 0, sums.returncode == 0


def test_bagit_and_sha256sum_accept_a_period_bundle_and_see_a_change(bag):
    assert accepts(bag) == (True, True)
    victim = next(bag.glob("data/bundles/*.zip"))
    victim.write_bytes(victim.read_bytes() + b" ")
    assert accepts(bag) == (False, False)


def test_bagit_sees_a_run_that_was_taken_out(bag):
    for file in bag.glob(f"{next(bag.glob('data/bundles/*.zip')).relative_to(bag)}*"):
        file.unlink()
    assert accepts(bag) == (False, False)


def test_the_zips_inside_are_those_of_the_store_byte_for_byte(period):
    with zipfile.ZipFile(period.path) as archive:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        inside = {
            name.rsplit("/", 1)[1]: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist() if "/data/bundles/" in name and name.endswith(".zip")
        }
    assert inside == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in period.runs}
    assert len(inside) == 3


def test_each_program_says_that_the_period_is_genuine(period):
    for program in ("evidenced verify", "evidenced-verify"):
        name, *command = program.split()
        done = subprocess.run(
            [emulators.program(name), *command, period.path, "--trust", period.trust,
             "--root-fingerprint", period.fingerprint],
            capture_output=True, text=True, check=False,
        )
        assert done.returncode == 4, f"{program}: {done.stdout}{done.stderr}"  # no time-stamp authority was asked
        assert "3 of 3 slots sequenced" in done.stdout, done.stdout


def test_the_commands_of_the_file_inside_say_who_signed_and_which_zips(bag, period):
    lines = [line.strip() for line in (bag / "data" / "VERIFY.txt").read_text(encoding="utf-8").splitlines()]
    (signed,) = (line for line in lines if line.startswith("ssh-keygen -Y verify"))
    (listed,) = (line for line in lines if line.startswith("awk "))
    signers = period.trust / "allowed_signers-v1"
    signed = signed.replace("allowed_signers", str(signers)).replace("ORIGIN", "evidence.example.com/parity")

    def run(command, folder):
        return subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=False).returncode == 0

    bundles = sorted((bag / "data" / "bundles").glob("*.zip"))
    assert all(run(signed.replace("ID", path.stem), path.parent) for path in bundles)
    assert run(listed, bag / "data")
    bundles[0].write_bytes(bundles[0].read_bytes() + b" ")
    assert not run(signed.replace("ID", bundles[0].stem), bundles[0].parent)
    assert not run(listed, bag / "data")


def test_the_command_of_the_readme_inside_needs_nothing_but_the_zip_and_the_fingerprint(bag, period):
    lines = [line.strip() for line in (bag / "README.txt").read_text(encoding="utf-8").splitlines()]
    (command,) = (line for line in lines if line.startswith("evidenced verify "))
    words = command.replace("FINGERPRINT", period.fingerprint).split()[1:]
    done = subprocess.run(
        [emulators.program("evidenced"), *words], cwd=period.path.parent, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout.startswith("genuine"), done.stdout
