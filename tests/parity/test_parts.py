"""A run in parts, read by tools of other hands: the reference implementation of BagIt, sha256sum, a zip reader.

The parts are those that the collector makes of a simulated organisation, and those of the vectors, which share no code
with it.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import zipfile

import collector
import emulators
import pytest

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"
REGION = "eu-central-1"
MAX_ENTRIES = 40  # an account has 18 documents, and a bag up to 6 tag files: two accounts do not fit


def made(folder):
    """Three accounts, each of which fills a bag: the zips in the store."""
    with emulators.simcloud("--accounts", 3, "--regions", REGION, "--seed", 7) as server:
        said = server.said
        accounts = [{"id": ident, "role": said["role_name"]} for ident in said["accounts"]]
        config = collector.prepare(folder, server, [REGION], accounts, said["external_id"])
        text = config.read_text(encoding="utf-8")
        config.write_text(f"{text}\n[bundle]\nmax_entries = {MAX_ENTRIES}\n", encoding="utf-8")
        collector.evidenced("collect", "-c", config, env=server.env(REGION), expect=(0, 4))
    return sorted((folder / "store").rglob("*.zip"))


def vectors(folder):
    """The zips of the vectors."""
    known = json.loads((VECTORS / "parts-vectors.json").read_text(encoding="utf-8"))
    named = [(f"{known['id']}.zip", known)] + [(part["name"], part) for part in known["parts"]]
    for name, zipped in named:
        (folder / name).write_bytes(base64.b64decode(zipped["zip_base64"]))
    return sorted(folder.glob("*.zip"))


@pytest.fixture(scope="module", params=[made, vectors])
def zips(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp(request.param.__name__))


def test_the_parts_of_the_vectors_are_what_their_maker_makes():
    done = subprocess.run([sys.executable, VECTORS / "make_parts.py", "--check"], check=False)
    assert done.returncode == 0


def test_the_signed_list_names_every_part_by_its_digest(zips):
    *parts, root = zips
    assert len(parts) == 3 and all(".part-000" in part.name for part in parts)
    with zipfile.ZipFile(root) as archive:
        listed = json.loads(archive.read(f"{root.stem}/data/parts.json"))
        assert not [name for name in archive.namelist() if "/data/evidence/" in name]
    assert [(part["name"], part["sha256"], part["size"]) for part in listed] == [
        (part.name, hashlib.sha256(part.read_bytes()).hexdigest(), part.stat().st_size) for part in parts
    ]


def test_bagit_and_sha256sum_accept_each_part_and_see_a_change(zips, tmp_path):
    for path in zips:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path)
        bag = tmp_path / path.stem
        assert (bag / "tagmanifest-sha256.txt.sig").exists() == (".part-" not in path.name)

        def accepts():
            bagit = subprocess.run(
                [sys.executable, "-m", "bagit", "--validate", bag], capture_output=True, check=False,
            )
            sums = subprocess.run(
                "sha256sum -c --strict tagmanifest-sha256.txt && sha256sum -c --strict manifest-sha256.txt",
                shell=True, cwd=bag, capture_output=True, check=False,
            )
            return bagit.returncode == 0, sums.returncode == 0

        assert accepts() == (True, True), path.name
        document = next(file for file in sorted(bag.glob("data/**/*")) if file.is_file())
        document.write_bytes(document.read_bytes() + b" ")
        assert accepts() == (False, False), path.name
