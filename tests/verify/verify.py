"""Verifies a bundle with the standard library and `cryptography`: docs/VERIFY.md.

    python3 verify.py ZIP evidence.pub.pem FINGERPRINT [log.pub.pem]

Reads ZIP.sigstore.json, and with a log key ZIP.tlog-proof, where they are there. Ends with 0 only when everything that
it could check is good, and says what it did not check. Takes no part of evidenced.
"""

import base64
import hashlib
import json
import pathlib
import sys
import zipfile

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

TAGS = {"README.txt", "bag-info.txt", "bagit.txt", "manifest-sha256.txt"}
LARGEST = 512 * 1024 * 1024


class Wrong(Exception):
    """What is not good."""


def demand(condition, what):
    if not condition:
        raise Wrong(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(key, signature, message, what):
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise Wrong(f"{what}: no signature of this key") from None


def manifest(text):
    lines = [line.split("  ", 1) for line in text.decode().splitlines()]
    demand(len({path for _, path in lines}) == len(lines), "a manifest names a file twice")
    return {path: digest for digest, path in lines}


def bag(path, key):
    """The bytes of the tag manifest of a bag in which every file is the one that was signed."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        demand(len(set(names)) == len(names), "the zip has a name twice")
        demand(all(info.file_size <= LARGEST for info in infos), "the zip has a file beyond 512 MiB")
        demand(all(name.startswith(path.stem + "/") for name in names), "the zip has a file in another folder")
        read = {name.removeprefix(path.stem + "/"): name for name in names}

        def content(name):
            demand(name in read, f"{name} is missing")
            return archive.read(read[name])

        message = content("tagmanifest-sha256.txt")
        signed(key, content("tagmanifest-sha256.txt.sig"), message, "tag manifest")
        tags = manifest(message)
        demand(set(tags) == TAGS, "the tag manifest lists other files")
        files = {**tags, **manifest(content("manifest-sha256.txt"))}
        demand(set(read) == set(files) | {"tagmanifest-sha256.txt", "tagmanifest-sha256.txt.sig"},
               "files were added or dropped")
        for name, digest in files.items():
            demand(sha256(content(name)).hex() == digest, f"{name} was changed")
    return message


def statement(path, key, zipped, tags):
    """The statement's bytes, checked to be about this zip."""
    envelope = json.loads(pathlib.Path(f"{path}.sigstore.json").read_bytes())["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    demand(kind == b"application/vnd.in-toto+json", "the statement is of another type")
    signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    signed(key, signature, b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload), "statement")
    said = {subject["name"]: subject["digest"]["sha256"] for subject in json.loads(payload)["subject"]}
    about = {path.name: sha256(zipped).hex(), f"{path.stem}/tagmanifest-sha256.txt": sha256(tags).hex()}
    demand(said == about, "the statement is about another zip")
    return payload


def root_of(leaf, index, size, siblings):
    """RFC 9162, 2.1.3.2."""
    node, last, value = index, size - 1, leaf
    for sibling in siblings:
        demand(last > 0, "the proof is too long")
        if node % 2 or node == last:
            value = sha256(b"\x01" + sibling + value)
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            value = sha256(b"\x01" + value + sibling)
        node, last = node // 2, last // 2
    demand(last == 0, "the proof is too short")
    return value


def logged(path, payload, log_key):
    """The statement is the leaf that the proof says, in a log whose state the log key signed."""
    proof = pathlib.Path(f"{path}.tlog-proof").read_text(encoding="utf-8")
    head, checkpoint = proof.split("\n\n", 1)
    body, signatures = checkpoint.split("\n\n", 1)
    origin, size, root = body.split("\n")
    kind, index, *siblings = head.split("\n")
    demand(kind == "c2sp.org/tlog-proof@v1" and index.startswith("index "), "the proof is of another form")
    raw = spki(log_key)[-32:]
    known = sha256(origin.encode() + b"\n\x01" + raw)[:4]
    lines = [line.split(" ") for line in signatures.splitlines()]
    ours = [base64.b64decode(blob) for dash, name, blob in lines if (dash, name) == ("\u2014", origin)]
    ours = [blob[4:] for blob in ours if blob[:4] == known]
    demand(len(ours) == 1, "the checkpoint is not signed by this log key")
    signed(log_key, ours[0], (body + "\n").encode(), "checkpoint")
    index, size = int(index.removeprefix("index ")), int(size)
    demand(json.loads(payload)["predicate"]["log"] == {"index": index, "origin": origin}, "the statement is at another place")
    demand(size == index + 1, "the checkpoint is of another size")
    value = root_of(sha256(b"\x00" + payload), index, size, [base64.b64decode(it) for it in siblings])
    demand(value == base64.b64decode(root), "the proof does not lead to the root")
    return f"entry {index} of {origin}"


def main(zip_path, key_path, fingerprint, log_path=None):
    path = pathlib.Path(zip_path)
    key = load_pem_public_key(pathlib.Path(key_path).read_bytes())
    try:
        demand(sha256(spki(key)).hex() == fingerprint.lower(), "the key has another fingerprint")
        tags = bag(path, key)
        print("good: every file is the one that the holder of the key signed")
        if not pathlib.Path(f"{path}.sigstore.json").exists():
            print("not checked: there is no statement, so neither the whole zip nor its place in the log")
            return 0
        payload = statement(path, key, path.read_bytes(), tags)
        print("good: the statement is about exactly this zip:", payload.decode())
        if log_path is None:
            print("not checked: no log key was given")
            return 0
        print("good:", logged(path, payload, load_pem_public_key(pathlib.Path(log_path).read_bytes())))
        return 0
    except (Wrong, OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        print("NOT GOOD:", error)
        return 1


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
