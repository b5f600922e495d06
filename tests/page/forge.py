"""Bundles of every kind for the tests of other verifiers: the vectors as files, and forgeries made from them.

A forgery is either made without the key (`rewritten`, `raw`) or signed anew with the test key (`signed`), so that the
check behind the signature has to see it.
"""

import base64
import json
import pathlib
import sys
import zlib

VECTORS_FOLDER = pathlib.Path(__file__).resolve().parents[1] / "vectors"
sys.path.insert(0, str(VECTORS_FOLDER))

import make_vectors as maker  # noqa: E402

VECTORS = json.loads((VECTORS_FOLDER / "bundle-vectors.json").read_text(encoding="utf-8"))
SIDECARS = {".sigstore.json": "sigstore_json_without_token", ".tlog-proof": "tlog_proof", ".sshsig": "sshsig"}
TAGS = ("README.txt", "bag-info.txt", "bagit.txt", "manifest-sha256.txt")


def pem(spki):
    return f"-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n"


EVIDENCE_PEM = pem(VECTORS["evidence_key"]["spki"])
LOG_PEM = pem(VECTORS["log_key"]["spki"])
WITNESS_PEM = pem(VECTORS["witness"]["spki"])


def zip_of(number):
    return base64.b64decode(VECTORS["bundles"][number]["zip_base64"])


def write_vector(folder, number, sidecars=tuple(SIDECARS)):
    """The zip of a vector and its sidecars; their paths."""
    vector = VECTORS["bundles"][number]
    zipped = folder / f"{vector['id']}.zip"
    zipped.write_bytes(zip_of(number))
    paths = [zipped]
    for suffix in sidecars:
        path = folder / (zipped.name + suffix)
        path.write_text(vector[SIDECARS[suffix]], encoding="utf-8")
        paths.append(path)
    return paths


def files_of(zipped):
    """Path to bytes, of a stored zip of one folder."""
    import io
    import zipfile
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        return {info.filename.split("/", 1)[1]: archive.read(info) for info in archive.infolist()}


def zipped(bag_id, files, deflate=False):
    """A zip of the profile."""
    slot = bag_id.split("-")[2]
    time = f"{slot[:4]}-{slot[4:6]}-{slot[6:8]}T{slot[9:11]}:{slot[11:13]}:{slot[13:15]}Z"
    stored = maker.stored_zip(bag_id, time, files)
    return deflated(stored, files) if deflate else stored


def deflated(stored, files):
    """The same zip with method 8."""
    import struct
    local, central, offset = b"", b"", 0
    position = 0
    root = stored[30:30 + struct.unpack_from("<H", stored, 26)[0]].decode().split("/")[0]
    for path in sorted(files):
        name = f"{root}/{path}".encode()
        header = bytearray(stored[position:position + 30])
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(files[path]) + packer.flush()
        struct.pack_into("<H", header, 8, 8)
        struct.pack_into("<I", header, 18, len(packed))
        position += 30 + len(name) + len(files[path])
        local += bytes(header) + name + packed
        entry = struct.pack("<IHH", 0x02014b50, 0x0314, 20) + bytes(header[6:30]) + struct.pack(
            "<HHHII", 0, 0, 0, 0o100644 << 16, offset)
        central += entry + name
        offset = len(local)
    end = struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, len(files), len(files), len(central), len(local), 0)
    return local + central + end


def signed(bag_id, data, slot, deflate=False, **tags):
    """A bag over `data`, with a good signature of the test key. `tags` replaces tag files."""
    made = {**maker.tag_files(bag_id, slot, data), **{name.replace("_", "."): text for name, text in tags.items()}}
    message = maker.manifest(made)
    signature = maker.EVIDENCE.sign(message)
    rest = {"tagmanifest-sha256.txt": message, "tagmanifest-sha256.txt.sig": signature}
    return zipped(bag_id, {**data, **made, **rest}, deflate)


def payload_of(number):
    return {path: content for path, content in files_of(zip_of(number)).items() if path.startswith("data/")}


def rerun(data, **changes):
    """The payload with another run.json."""
    run = json.loads(data["data/run.json"])
    run.update(changes)
    return {**data, "data/run.json": maker.line(run)}
