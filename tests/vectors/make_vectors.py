"""Makes bundle-vectors.json: byte-exact vectors of the formats that docs/BUNDLE.md specifies.

Shares no code with the Rust crates: the standard library and `cryptography` only, so that the two can disagree.
Keys are test keys with the seeds 01.., 02.., 03.. (evidence, log, witness).

    python3 make_vectors.py            print the vectors
    python3 make_vectors.py --check    compare them with the committed file
"""

import base64
import hashlib
import io
import json
import pathlib
import struct
import sys
import zipfile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "0.1.0"
SCOPE = "demo"
ORIGIN = "evidence.example.com/demo"
SCHEDULE = "0 2 * * *"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
ACCOUNT, REGION, ITEM = "111122223333", "eu-central-1", "vpc.vpcs"
SLOTS = (
    ("2026-10-01T02:00:00Z", "complete"),
    ("2026-10-02T02:00:00Z", "missed"),
    ("2026-10-03T02:00:00Z", "complete"),
)
ROOT_SIZES = (1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 511, 512, 513)


class Key:
    """An Ed25519 key of the seed `number` repeated."""

    def __init__(self, number):
        self.seed = bytes([number]) * 32
        self.private = Ed25519PrivateKey.from_private_bytes(self.seed)
        public = self.private.public_key()
        self.raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.id = hex_sha256(self.spki)

    def sign(self, message):
        return self.private.sign(message)


def sha256(data):
    return hashlib.sha256(data).digest()


def hex_sha256(data):
    return sha256(data).hex()


def b64(data):
    return base64.b64encode(data).decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def line(value):
    return compact(value) + b"\n"


def manifest(files):
    return "".join(f"{hex_sha256(files[path])}  {path}\n" for path in sorted(files)).encode()


EVIDENCE, LOG, WITNESS = Key(1), Key(2), Key(3)


# --- the bag ---------------------------------------------------------------------------------------------------------


def payload(slot, status, collected):
    """The files under data/: one account, one region, one item; a missed slot has no evidence."""
    item = {"calls": [], "criteria": ["CC6.6"], "id": ITEM, "scope": "region", "title": "VPCs"}
    region = {"name": REGION, "planned": True, "state": "enabled"}
    account = {"id": ACCOUNT, "inScope": True, "name": "demo", "regions": [region]}
    files = {
        "data/catalogue.json": line({"items": [item]}),
        "data/config.json": line({"organisation": "Example Ltd", "schedule": SCHEDULE, "scope": SCOPE}),
        "data/plan.json": line({"accounts": [account]}),
    }
    cells = []
    if status != "missed":
        document = line({"account": ACCOUNT, "calls": [], "item": ITEM, "region": REGION})
        path = f"data/evidence/{ACCOUNT}/{REGION}/{ITEM}.json"
        files[path] = document
        cells.append({"account": ACCOUNT, "file": path, "item": ITEM, "region": REGION,
                      "sha256": hex_sha256(document), "status": "complete"})
    files["data/run.json"] = line({
        "cells": cells, "collected": collected, "schedule": SCHEDULE,
        "scope": {"accounts": 1, "name": SCOPE, "regions": 1},
        "slot": slot, "status": status, "trigger": "schedule",
    })
    return files


def tag_files(bag_id, slot, data):
    octets = sum(len(content) for content in data.values())
    info = {
        "Bag-Group-Identifier": SCOPE,
        "Bag-Software-Agent": f"evidenced {VERSION}",
        "Bagging-Date": slot[:10],
        "Evidenced-Key-Id": EVIDENCE.id,
        "External-Identifier": bag_id,
        "Payload-Oxum": f"{octets}.{len(data)}",
        "Source-Organization": "Example Ltd",
    }
    return {
        "README.txt": b"Test vector.\n",
        "bag-info.txt": "".join(f"{key}: {info[key]}\n" for key in sorted(info)).encode(),
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "manifest-sha256.txt": manifest(data),
    }


def stored_zip(bag_id, slot, files):
    """The zip profile with method 0."""
    time = tuple(int(slot[start:end]) for start, end in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{bag_id}/{path}", time)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, files[path])
    return out.getvalue()


# --- the log ---------------------------------------------------------------------------------------------------------


def pae(body):
    """What DSSE signs."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(body), body)


def leaf_hash(data):
    return sha256(b"\x00" + data)


def split(hashes):
    """The largest power of two below the number of hashes."""
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return half


def root(hashes):
    """The Merkle tree hash of RFC 6962 over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    half = split(hashes)
    return sha256(b"\x01" + root(hashes[:half]) + root(hashes[half:]))


def inclusion(index, hashes):
    """The audit path of RFC 9162, the sibling of the leaf first."""
    if len(hashes) == 1:
        return []
    half = split(hashes)
    if index < half:
        return inclusion(index, hashes[:half]) + [root(hashes[half:])]
    return inclusion(index - half, hashes[half:]) + [root(hashes[:half])]


def note_key_hash(name, algorithm, public):
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public)[:4]


def checkpoint_body(hashes):
    return f"{ORIGIN}\n{len(hashes)}\n{b64(root(hashes))}\n".encode()


def checkpoint(hashes):
    body = checkpoint_body(hashes)
    signature = b64(note_key_hash(ORIGIN, 1, LOG.raw) + LOG.sign(body))
    return (body + b"\n" + f"\u2014 {ORIGIN} {signature}\n".encode()).decode()


def tlog_proof(index, hashes):
    path = "".join(b64(sibling) + "\n" for sibling in inclusion(index, hashes))
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{checkpoint(hashes)}"


def ssh_string(data):
    return struct.pack(">I", len(data)) + data


def ssh_public():
    return ssh_string(b"ssh-ed25519") + ssh_string(EVIDENCE.raw)


def sshsig(data):
    """PROTOCOL.sshsig with Ed25519, namespace evidenced, SHA-512."""
    about = ssh_string(b"evidenced") + ssh_string(b"") + ssh_string(b"sha512")
    signature = EVIDENCE.sign(b"SSHSIG" + about + ssh_string(hashlib.sha512(data).digest()))
    blob = b64(b"SSHSIG" + struct.pack(">I", 1) + ssh_string(ssh_public()) + about
               + ssh_string(ssh_string(b"ssh-ed25519") + ssh_string(signature)))
    lines = [blob[start:start + 70] for start in range(0, len(blob), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def sigstore_json(statement, signature):
    """Keys in the order that docs/BUNDLE.md gives, so that `sed` can read it."""
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": {"hint": EVIDENCE.id},
            "tlogEntries": [],
            "timestampVerificationData": {"rfc3161Timestamps": []},
        },
        "dsseEnvelope": {
            "payload": b64(statement),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": signature, "keyid": EVIDENCE.id}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")) + "\n"


# --- the vectors -----------------------------------------------------------------------------------------------------


def bundles():
    made, hashes, previous = [], [], None
    for index, (slot, status) in enumerate(SLOTS):
        bag_id = f"evidence-{SCOPE}-{slot.replace('-', '').replace(':', '')}"
        collected = {"end": slot[:-3] + "12Z", "start": slot[:-3] + "03Z"}
        data = payload(slot, status, collected)
        tags = tag_files(bag_id, slot, data)
        tag_manifest = manifest(tags)
        bag_signature = EVIDENCE.sign(tag_manifest)
        signed = {"tagmanifest-sha256.txt": tag_manifest, "tagmanifest-sha256.txt.sig": bag_signature}
        zipped = stored_zip(bag_id, slot, {**data, **tags, **signed})

        predicate = {
            "collected": collected,
            "collector": {"configDigest": {"sha256": hex_sha256(data["data/config.json"])},
                          "id": "urn:evidenced:collector",
                          "policiesDigest": {"sha256": hex_sha256(b"")}, "version": VERSION},
            "log": {"index": index, "origin": ORIGIN},
            "schedule": SCHEDULE, "scope": {"accounts": 1, "name": SCOPE, "regions": 1},
            "slot": slot, "status": status, "trigger": "schedule",
        }
        if previous:
            predicate["previous"] = {"sha256": previous}
        statement = compact({
            "_type": "https://in-toto.io/Statement/v1", "predicate": predicate,
            "predicateType": "urn:evidenced:snapshot:v1",
            "subject": [
                {"digest": {"sha256": hex_sha256(zipped)}, "name": f"{bag_id}.zip"},
                {"digest": {"sha256": hex_sha256(tag_manifest)}, "name": f"{bag_id}/tagmanifest-sha256.txt"},
            ],
        })
        previous = hex_sha256(statement)
        hashes.append(leaf_hash(statement))
        signature = b64(EVIDENCE.sign(pae(statement)))
        made.append({
            "id": bag_id, "zip_base64": b64(zipped), "zip_sha256": hex_sha256(zipped),
            "bag": {path: content.decode() for path, content in
                    sorted({**tags, "tagmanifest-sha256.txt": tag_manifest}.items())},
            "tagmanifest_sig_hex": bag_signature.hex(),
            "sshsig": sshsig(zipped),
            "statement": statement.decode(), "statement_sha256": previous, "pae_bytes": len(pae(statement)),
            "dsse_sig": signature,
            "sigstore_json_without_token": sigstore_json(statement, signature),
            "leaf_hash": b64(hashes[-1]), "checkpoint": checkpoint(hashes), "tlog_proof": tlog_proof(index, hashes),
        })
    return made, hashes


def witness(hashes):
    name, time = "witness.example.net/w1", 1790812900
    message = f"cosignature/v1\ntime {time}\n".encode() + checkpoint_body(hashes)
    signature = note_key_hash(name, 4, WITNESS.raw) + struct.pack(">Q", time) + WITNESS.sign(message)
    return {"seed": WITNESS.seed.hex(), "spki": b64(WITNESS.spki), "name": name, "time": time,
            "checkpoint_size": len(hashes), "cosignature_line": f"\u2014 {name} {b64(signature)}\n"}


def slot_cases():
    return [
        {"schedule": schedule, "after": after, "next": following} for schedule, after, following in (
            ("0 2 * * *", "2026-02-27T02:00:00Z",
             ["2026-02-28T02:00:00Z", "2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z"]),
            ("30 */6 * * 1-5", "2026-10-30T18:30:00Z",
             ["2026-11-02T00:30:00Z", "2026-11-02T06:30:00Z", "2026-11-02T12:30:00Z"]),
            ("0 0 1,15 * 1", "2026-06-01T00:00:00Z",
             ["2026-06-08T00:00:00Z", "2026-06-15T00:00:00Z", "2026-06-22T00:00:00Z"]),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", ["2028-02-29T00:00:00Z"]),
        )
    ]


def vectors():
    made, hashes = bundles()
    leaves = [leaf_hash(f"leaf-{number}".encode()) for number in range(max(ROOT_SIZES))]
    allowed_signers = f'{ORIGIN} namespaces="evidenced" ssh-ed25519 {b64(ssh_public())}'
    log_hash = note_key_hash(ORIGIN, 1, LOG.raw).hex()
    return {
        "evidence_key": {"seed": EVIDENCE.seed.hex(), "spki": b64(EVIDENCE.spki), "keyid": EVIDENCE.id,
                         "allowed_signers": allowed_signers},
        "log_key": {"seed": LOG.seed.hex(), "spki": b64(LOG.spki),
                    "vkey": f"{ORIGIN}+{log_hash}+{b64(bytes([1]) + LOG.raw)}"},
        "witness": witness(hashes),
        "bundles": made,
        "roots": {"leaves": "leaf-<i> as UTF-8",
                  "by_size": {str(size): b64(root(leaves[:size])) for size in ROOT_SIZES}},
        "slots": slot_cases(),
    }


def main():
    text = json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(text)
        return 0
    if text == (HERE / "bundle-vectors.json").read_text(encoding="utf-8"):
        return 0
    print("bundle-vectors.json is not what make_vectors.py makes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
