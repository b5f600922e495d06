"""Makes parts-vectors.json: a run in three parts and the root that names them, byte for byte.

The first account is whole in one part, the second is cut by region. Shares no code with the Rust crates; keys and
helpers are those of make_vectors.py.

    python3 make_parts.py            print the vectors
    python3 make_parts.py --check    compare them with the committed file
"""

import json
import sys

import make_vectors as base

SLOT = "2026-10-04T02:00:00Z"
ID = f"evidence-{base.SCOPE}-20261004T020000Z"
WHOLE, CUT = "111122223333", "222233334444"
REGIONS = ("eu-central-1", "eu-west-1")
# Files of all parts in the order of account, region and path, cut into consecutive runs.
PARTS = (((WHOLE, REGIONS[0]), (WHOLE, REGIONS[1])), ((CUT, REGIONS[0]),), ((CUT, REGIONS[1]),))


def evidence(account, region):
    """A document, and the raw body that was kept of its call."""
    folder = f"{account}/{region}"
    document = {"account": account, "calls": [{"operation": "DescribeVpcs", "service": "ec2"}], "item": base.ITEM,
                "region": region, "status": "complete"}
    return {
        f"data/evidence/{folder}/{base.ITEM}.json": base.line(document),
        f"data/raw/{folder}/{base.ITEM}/DescribeVpcs-1.body": f"<DescribeVpcsResponse/>{folder}\n".encode(),
    }


def part(number, cells):
    """A part: a bag with a count and no signature."""
    data = {path: content for account, region in cells for path, content in evidence(account, region).items()}
    bag_id = f"{ID}.part-{number:04}"
    tags = base.tag_files(bag_id, SLOT, data)
    tags["bag-info.txt"] = f"Bag-Count: {number} of {len(PARTS)}\n".encode() + tags["bag-info.txt"]
    files = {**data, **tags, "tagmanifest-sha256.txt": base.manifest(tags)}
    zipped = base.stored_zip(bag_id, SLOT, files)
    line = {"name": f"{bag_id}.zip", "sha256": base.hex_sha256(zipped), "size": len(zipped), "entries": len(files),
            "accounts": sorted({account for account, _ in cells})}
    return line, tags, zipped


def root(lines):
    """The signed bag, which holds all but the evidence."""
    regions = [{"name": name, "planned": True, "state": "enabled"} for name in REGIONS]
    accounts = [{"id": ident, "inScope": True, "name": ident, "regions": regions} for ident in (WHOLE, CUT)]
    cells = [
        {"account": account, "file": path, "item": base.ITEM, "region": region,
         "sha256": base.hex_sha256(content), "status": "complete"}
        for account in (WHOLE, CUT) for region in REGIONS
        for path, content in evidence(account, region).items() if path.startswith("data/evidence/")
    ]
    item = {"calls": [], "criteria": ["CC6.6"], "id": base.ITEM, "scope": "region", "title": "VPCs"}
    run = {"cells": cells, "collected": {"end": "2026-10-04T02:00:12Z", "start": "2026-10-04T02:00:03Z"},
           "schedule": base.SCHEDULE, "scope": {"accounts": 2, "name": base.SCOPE, "regions": 2}, "slot": SLOT,
           "status": "complete", "trigger": "schedule"}
    config = {"organisation": "Example Ltd", "schedule": base.SCHEDULE, "scope": base.SCOPE}
    data = {
        "data/catalogue.json": base.line({"items": [item]}),
        "data/config.json": base.line(config),
        # The one file whose members have another order than the alphabet: that of docs/BUNDLE.md.
        "data/parts.json": json.dumps(lines, separators=(",", ":")).encode() + b"\n",
        "data/plan.json": base.line({"accounts": accounts}),
        "data/run.json": base.line(run),
    }
    tags = base.tag_files(ID, SLOT, data)
    tag_manifest = base.manifest(tags)
    signed = {"tagmanifest-sha256.txt": tag_manifest,
              "tagmanifest-sha256.txt.sig": base.EVIDENCE.sign(tag_manifest)}
    return data["data/parts.json"], base.stored_zip(ID, SLOT, {**data, **tags, **signed})


def vectors():
    made = [part(number, cells) for number, cells in enumerate(PARTS, 1)]
    listed, zipped = root([line for line, _, _ in made])
    return {
        "evidence_key": {"seed": base.EVIDENCE.seed.hex(), "keyid": base.EVIDENCE.id},
        "id": ID,
        "parts_json": listed.decode(),
        "zip_sha256": base.hex_sha256(zipped),
        "zip_base64": base.b64(zipped),
        "parts": [
            {"name": line["name"], "bag": {name: content.decode() for name, content in sorted(tags.items())},
             "zip_base64": base.b64(content)}
            for line, tags, content in made
        ],
    }


def main():
    text = json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(text)
        return 0
    if text == (base.HERE / "parts-vectors.json").read_text(encoding="utf-8"):
        return 0
    print("parts-vectors.json is not what make_parts.py makes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
