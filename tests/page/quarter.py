"""Period bundles and trust roots for the tests of the page, made without the crates: by docs/BUNDLE.md and docs/TRUST.md.

A period is a dict of files until `pack` makes a zip of it, so that a test can change what it likes.
"""

import base64
import datetime
import struct

import forge
from forge import maker

ROOT_KEYS = [maker.Key(number) for number in (11, 12, 13)]
VALID_FROM = "2026-01-01T00:00:00Z"


def days(first, last):
    """Every slot of 02:00 from one day to another."""
    day, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    while day <= end:
        yield f"{day}T02:00:00Z"
        day += datetime.timedelta(1)


def bundles(slots):
    """As `maker.bundles`, of these (slot, status)."""
    before, maker.SLOTS = maker.SLOTS, tuple(slots)
    try:
        return maker.bundles()
    finally:
        maker.SLOTS = before


# --- the trust root --------------------------------------------------------------------------------------------------


def entry(key, purpose, **changes):
    made = {"file": f"{purpose}-{key.id[:8]}.pub.pem", "keyid": key.id, "purpose": purpose, "reason": None,
            "revokedAt": None, "validFrom": VALID_FROM, "validUntil": None}
    if purpose == "log":
        made["origin"] = maker.ORIGIN
    return {**made, **changes}


def statement(version, keys, files, previous=None, holders=ROOT_KEYS, threshold=2):
    predicate = {
        "keys": keys, "roots": [{"holder": f"Holder {at}", "keyid": key.id, "spki": maker.b64(key.spki)}
                                for at, key in enumerate(holders)],
        "threshold": threshold, "tsa": [], "version": version,
    }
    if previous:
        predicate["previous"] = {"sha256": previous}
    return maker.compact({
        "_type": "https://in-toto.io/Statement/v1", "predicate": predicate,
        "predicateType": "urn:evidenced:trust-root:v1",
        "subject": [{"digest": {"sha256": maker.hex_sha256(content)}, "name": name} for name, content in sorted(files.items())],
    })


def signed(payload, signers):
    signatures = sorted(({"keyid": key.id, "sig": maker.b64(key.sign(maker.pae(payload)))} for key in signers),
                        key=lambda it: it["keyid"])
    return maker.compact({"payload": maker.b64(payload), "payloadType": maker.PAYLOAD_TYPE, "signatures": signatures}) + b"\n"


def trust_root(signers=ROOT_KEYS[:2], evidence=None, log=None):
    """Version 1: name to bytes, and its fingerprint."""
    keys = [evidence or entry(maker.EVIDENCE, "evidence"), log or entry(maker.LOG, "log")]
    pems = {keys[0]["file"]: forge.EVIDENCE_PEM.encode(), keys[1]["file"]: forge.LOG_PEM.encode()}
    payload = statement(1, keys, pems)
    return {**pems, "root-v1.dsse.json": signed(payload, signers)}, maker.hex_sha256(payload)


def second_version(files, signers=ROOT_KEYS[:2], **changes):
    """The files with version 2, in which the evidence key is changed."""
    first = base64.b64decode(__import__("json").loads(files["root-v1.dsse.json"])["payload"])
    pems = {name: content for name, content in files.items() if name.endswith(".pem")}
    keys = [entry(maker.EVIDENCE, "evidence", **changes), entry(maker.LOG, "log")]
    payload = statement(2, keys, pems, previous=maker.hex_sha256(first))
    return {**files, "root-v2.dsse.json": signed(payload, signers)}


# --- the period ------------------------------------------------------------------------------------------------------


def tile(statements):
    return b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in statements)


def tiles(statements):
    """The entries of a log as the files of its tiles."""
    made = {}
    for first in range(0, len(statements), 256):
        part = statements[first:first + 256]
        width = "" if len(part) == 256 else f".p/{len(part)}"
        made[f"data/log/tile/entries/{first // 256:03}{width}"] = tile(part)
    return made


def period(slots, first, last, name, start=0, left_out=(), beside=(), trust=None):
    """The files of a period bundle over the leaves from `start` on; zips that are not inside are in the second value."""
    made, hashes = bundles(slots)
    statements = [bundle["statement"].encode() for bundle in made]
    files = {
        "data/VERIFY.txt": b"Open verify.html.\n", "data/coverage.csv": b"slot\r\n",
        "data/log/checkpoint.end": maker.checkpoint(hashes).encode(),
        "data/log/consistency.txt": f"old {start}\n\n{maker.checkpoint(hashes)}".encode(), **tiles(statements),
    }
    if start:
        files["data/log/checkpoint.start"] = maker.checkpoint(hashes[:start]).encode()
    for name_, content in (trust or trust_root())[0].items():
        files[f"data/trust/{name_}"] = content
    lines, outside = [], {}
    for bundle in made[start:]:
        zip_name = f"{bundle['id']}.zip"
        content = base64.b64decode(bundle["zip_base64"])
        place = "left-out" if bundle["id"] in left_out else "beside" if bundle["id"] in beside else "inside"
        lines.append(f"{zip_name} {len(content)} {bundle['zip_sha256']} {place}\n")
        if place == "inside":
            files[f"data/bundles/{zip_name}"] = content
        else:
            outside[zip_name] = content
        for suffix, member in forge.SIDECARS.items():
            files[f"data/bundles/{zip_name}{suffix}"] = bundle[member].encode()
    files["data/bundles.txt"] = "".join(sorted(lines)).encode()
    return {"name": f"{maker.SCOPE}-{name}", "first": first, "last": last, "files": files, "outside": outside, "made": made, "hashes": hashes}


def pack(made):
    """The zip of a period: manifests and bag-info.txt made to fit its files."""
    files = dict(made["files"])
    info = {
        "Bag-Group-Identifier": maker.SCOPE, "Bag-Software-Agent": "evidenced 0.1.0", "Bagging-Date": made["last"],
        "Evidenced-Log-Origin": maker.ORIGIN, "Evidenced-Period": f"{made['first']}/{made['last']}",
        "External-Identifier": made["name"], "Payload-Oxum": f"{sum(map(len, files.values()))}.{len(files)}",
        "Source-Organization": "Example Ltd",
    }
    tags = {
        "README.txt": b"A period.\n", "bag-info.txt": "".join(f"{name}: {info[name]}\n" for name in sorted(info)).encode(),
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "manifest-sha256.txt": maker.manifest(files),
    }
    return maker.stored_zip(made["name"], f"{made['first']}T00:00:00Z", {**files, **tags, "tagmanifest-sha256.txt": maker.manifest(tags)})


def write(folder, made):
    path = folder / f"{made['name']}.zip"
    path.write_bytes(pack(made))
    return path
