"""The page with a period bundle and a trust root: what it accepts, what it refuses and for which reason."""

import base64
import json

import pytest

import forge
import quarter
from auditor import violations
from forge import VECTORS, maker

FIRST, LAST = "2026-07-01", "2026-09-30"
MISSED = "2026-08-14T02:00:00Z"


@pytest.fixture(scope="module")
def whole():
    """A quarter of 92 days, one of them missed."""
    slots = [(slot, "missed" if slot == MISSED else "complete") for slot in quarter.days(FIRST, LAST)]
    return quarter.period(slots, FIRST, LAST, "2026-Q3")


@pytest.fixture
def small():
    """Six days, the first two before the period."""
    slots = [(slot, "complete") for slot in quarter.days("2026-07-01", "2026-07-06")]
    return quarter.period(slots, "2026-07-03", "2026-07-06", "week", start=2)


def judged(verifier, tmp_path, made, *more):
    """Gives a period and what lies beside it; the sheet, with its fingerprint compared."""
    path = quarter.write(tmp_path, made)
    verifier.tab.choose("#files", [path, *more])
    verifier.tab.wait("keys.root && document.body.dataset.state === 'done'")
    verifier.tab.run("document.querySelector('#ticked-root').click()")
    return verifier.sheets()[0]


def test_a_quarter_is_sequenced_and_opened(verifier, tmp_path, whole):
    sheet = judged(verifier, tmp_path, whole)
    assert (sheet["result"], sheet["level"]) == ("exceptions", "logged")
    assert "92 of 92 sequenced" in " ".join(sheet["text"].split()) and "92 of 92 opened" in " ".join(sheet["text"].split())
    assert {name for name, state in sheet["checks"].items() if state != "pass"} == {"pinned"}
    assert MISSED in sheet["text"] and "1 missed" in sheet["because"]
    assert verifier.tab.run("document.querySelector('#checkpoint').textContent") == maker.checkpoint(whole["hashes"])


def test_a_period_without_an_exception_is_genuine_and_pinned_by_the_kept_checkpoint(verifier, tmp_path, small):
    kept = tmp_path / "checkpoint-2.txt"
    kept.write_text(maker.checkpoint(small["hashes"][:2]), encoding="utf-8")
    sheet = judged(verifier, tmp_path, small, kept)
    assert (sheet["result"], sheet["level"]) == ("genuine", "pinned")
    assert set(sheet["checks"].values()) == {"pass"}


def test_a_fingerprint_that_nobody_compared_gives_no_verdict_and_another_is_refused(verifier, tmp_path, small):
    verifier.tab.choose("#files", [quarter.write(tmp_path, small)])
    verifier.tab.wait("keys.root && document.body.dataset.state === 'done'")
    assert verifier.sheets()[0]["result"] == "could-not-tell"
    verifier.tab.fill("#typed-root", "0" * 64)
    assert verifier.sheets()[0]["failed"] == "trust-root"
    verifier.tab.fill("#typed-root", quarter.trust_root()[1])
    assert verifier.sheets()[0]["result"] == "genuine"


def test_single_keys_do_for_a_period_too(verifier, tmp_path, small):
    verifier.keys()
    sheet = verifier.files([quarter.write(tmp_path, small)])[0]
    assert sheet["result"] == "genuine" and sheet["checks"]["trust-root"] == "idle"


def test_a_sample_pack_is_listed_and_what_is_left_out_is_still_sequenced(verifier, tmp_path):
    slots = [(slot, "complete") for slot in quarter.days("2026-07-01", "2026-07-06")]
    names = [f"evidence-demo-202607{day:02}T020000Z" for day in (2, 5)]
    sheet = judged(verifier, tmp_path, quarter.period(slots, "2026-07-01", "2026-07-06", "sample", left_out=names))
    text = " ".join(sheet["text"].split())
    assert sheet["result"] == "exceptions" and "6 of 6 sequenced" in text and "4 of 4 opened" in text
    assert "sample pack: 2 zips were left out" in sheet["because"]


@pytest.mark.parametrize("given", [True, False], ids=["given", "not-given"])
def test_zips_beside_the_period_are_opened_when_they_are_given(verifier, tmp_path, given):
    slots = [(slot, "complete") for slot in quarter.days("2026-07-01", "2026-07-04")]
    made = quarter.period(slots, "2026-07-01", "2026-07-04", "large", beside=["evidence-demo-20260702T020000Z"])
    paths = []
    for name, content in made["outside"].items():
        (tmp_path / name).write_bytes(content)
        paths.append(tmp_path / name)
    sheet = judged(verifier, tmp_path, made, *(paths if given else []))
    assert sheet["result"] == ("genuine" if given else "could-not-tell")
    assert given or "were not given" in sheet["because"]


# --- refused ---------------------------------------------------------------------------------------------------------


def drop_day(made):
    """The statement of a day is gone from the entries, and its files."""
    statements = [bundle["statement"].encode() for bundle in made["made"]]
    del statements[3]
    for path in [path for path in made["files"] if "entries" in path]:
        del made["files"][path]
    made["files"].update(quarter.tiles(statements))
    forget(made, 3)


def drop_day_and_sign_the_rest(made):
    """The log key signs a log without the day; the statements stay as they are."""
    drop_day(made)
    hashes = [value for at, value in enumerate(made["hashes"]) if at != 3]
    made["files"]["data/log/checkpoint.end"] = maker.checkpoint(hashes).encode()
    path = next(path for path in made["files"] if "entries" in path)
    assert path.endswith("/5")


def forget(made, number):
    name = made["made"][number]["id"]
    for path in [path for path in made["files"] if name in path]:
        del made["files"][path]
    lines = made["files"]["data/bundles.txt"].decode().splitlines(keepends=True)
    made["files"]["data/bundles.txt"] = "".join(line for line in lines if name not in line).encode()


def truncate_tail(made):
    """The log ends a day earlier, signed; the period goes on."""
    statements = [bundle["statement"].encode() for bundle in made["made"][:-1]]
    for path in [path for path in made["files"] if "entries" in path]:
        del made["files"][path]
    made["files"].update(quarter.tiles(statements))
    made["files"]["data/log/checkpoint.end"] = maker.checkpoint(made["hashes"][:-1]).encode()
    forget(made, -1)


def skip_slot(made):
    """The whole log is made anew without a day, and signed by both keys."""
    slots = [(slot, "complete") for slot in quarter.days("2026-07-01", "2026-07-06") if "07-05" not in slot]
    made.update({key: value for key, value in quarter.period(slots, "2026-07-03", "2026-07-06", "week", start=2).items()})


def a_zip_is_gone(made):
    del made["files"][f"data/bundles/{made['made'][3]['id']}.zip"]


def a_sidecar_is_gone(made):
    del made["files"][f"data/bundles/{made['made'][3]['id']}.zip.tlog-proof"]


def a_zip_is_not_the_one(made):
    path = f"data/bundles/{made['made'][3]['id']}.zip"
    made["files"][path] += b"x"


def a_zip_of_another_day(made):
    path = f"data/bundles/{made['made'][3]['id']}.zip"
    made["files"][path] = made["files"][f"data/bundles/{made['made'][4]['id']}.zip"]


def another_statement_beside_a_zip(made):
    """The key signed it, the log does not know it."""
    statement = made["made"][3]["statement"].replace('"version":"0.1.0"', '"version":"0.1.1"')
    signature = maker.b64(maker.EVIDENCE.sign(maker.pae(statement.encode())))
    made["files"][f"data/bundles/{made['made'][3]['id']}.zip.sigstore.json"] = maker.sigstore_json(statement.encode(), signature).encode()


def another_log(made):
    """Statements as they are, a root of something else, signed by the log key."""
    made["files"]["data/log/checkpoint.end"] = maker.checkpoint([bytes(32)] * 6).encode()


def nobody_signed_the_end(made):
    made["files"]["data/log/checkpoint.end"] = made["files"]["data/log/checkpoint.end"].replace(b"\n6\n", b"\n5\n")


def another_start(made):
    made["files"]["data/log/checkpoint.start"] = maker.checkpoint([bytes(32)] * 2).encode()


def swapped_leaves(made):
    statements = [bundle["statement"].encode() for bundle in made["made"]]
    statements[3], statements[4] = statements[4], statements[3]
    made["files"].update(quarter.tiles(statements))
    made["files"]["data/log/checkpoint.end"] = maker.checkpoint([maker.leaf_hash(leaf) for leaf in statements]).encode()


def entries_cut_off(made):
    path = next(path for path in made["files"] if "entries" in path)
    made["files"][path] = made["files"][path][:-1]


def one_leaf_more(made):
    path = next(path for path in made["files"] if "entries" in path)
    made["files"][path] += made["files"][path][:2]


def a_line_too_many(made):
    made["files"]["data/bundles.txt"] += b"evidence-demo-20260801T020000Z.zip 1 " + b"0" * 64 + b" left-out\n"


FORGERIES = [
    (drop_day, "log-entries"), (drop_day_and_sign_the_rest, "log-chain"), (truncate_tail, "slot-coverage"),
    (skip_slot, "slot-coverage"), (a_zip_is_gone, "bundles-there"), (a_sidecar_is_gone, "bundles-there"),
    (a_zip_is_not_the_one, "bundles"), (a_zip_of_another_day, "bundles"), (another_statement_beside_a_zip, "bundles"),
    (another_log, "log-root"), (nobody_signed_the_end, "log-head"), (another_start, "log-checkpoints"),
    (swapped_leaves, "log-chain"), (entries_cut_off, "log-entries"), (one_leaf_more, "log-entries"),
    (a_line_too_many, "bundles-there"),
]


@pytest.mark.parametrize("forgery, reason", FORGERIES, ids=[forgery.__name__ for forgery, _ in FORGERIES])
def test_a_forged_period_is_refused_for_its_reason(verifier, tmp_path, small, forgery, reason):
    forgery(small)
    sheet = judged(verifier, tmp_path, small)
    assert (sheet["result"], sheet["failed"]) == ("not-genuine", reason), sheet["because"]
    assert verifier.tab.run("document.querySelector('#keep').hidden") is True


def test_a_log_that_was_rewritten_contradicts_the_kept_checkpoint(verifier, tmp_path, small):
    kept = tmp_path / "checkpoint-2.txt"
    kept.write_text(maker.checkpoint([bytes(32)] * 2), encoding="utf-8")
    assert judged(verifier, tmp_path, small, kept)["failed"] == "pinned"


@pytest.mark.parametrize("change, reason", [
    (lambda zipped: zipped + b"x", "zip-end"), (lambda zipped: zipped.replace(b"A period.", b"A Period."), "zip-content"),
    (lambda zipped: zipped[:-1], "zip-end"),
])
def test_a_period_that_is_no_longer_the_zip_it_was_is_refused(verifier, tmp_path, small, change, reason):
    verifier.keys()
    sheet = verifier.zip(f"{small['name']}.zip", change(quarter.pack(small)))
    assert (sheet["result"], sheet["failed"]) == ("not-genuine", reason)


def test_a_period_of_another_name_is_refused(verifier, small):
    verifier.keys()
    assert verifier.zip("demo-other.zip", quarter.pack(small))["failed"] == "bag-name"


# --- the trust root --------------------------------------------------------------------------------------------------


def open_root(verifier, folder, files):
    paths = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    verifier.tab.choose("#file-root", paths)
    verifier.tab.wait("keys.root || !document.querySelector('#key-root .wrong').hidden")


def test_a_trust_root_stands_for_all_its_keys(verifier, tmp_path):
    files, fingerprint = quarter.trust_root()
    open_root(verifier, tmp_path, files)
    assert "".join(verifier.tab.run("document.querySelector('#fingerprint-root').textContent").split()) == fingerprint
    verifier.tab.fill("#typed-root", fingerprint)
    sheet = verifier.files(forge.write_vector(tmp_path, 0))[0]
    assert (sheet["result"], sheet["level"]) == ("genuine", "logged") and set(sheet["checks"].values()) == {"pass"}


def test_a_second_version_counts_and_keeps_the_fingerprint_of_the_first(verifier, tmp_path):
    files, fingerprint = quarter.trust_root()
    open_root(verifier, tmp_path, quarter.second_version(files, validUntil="2027-01-01T00:00:00Z"))
    assert "".join(verifier.tab.run("document.querySelector('#fingerprint-root').textContent").split()) == fingerprint
    assert "Version 2" in verifier.tab.run("document.querySelector('#source-root').textContent")


@pytest.mark.parametrize("changes, result, words", [
    ({"validUntil": "2026-09-30T00:00:00Z"}, "not-genuine", "counts from"),
    ({"validFrom": "2026-11-01T00:00:00Z"}, "not-genuine", "counts from"),
    ({"revokedAt": "2026-11-01T00:00:00Z", "reason": "stolen"}, "could-not-tell", "revoked"),
])
@pytest.mark.parametrize("sidecars", [tuple(forge.SIDECARS), ()], ids=["logged", "alone"])
def test_a_key_outside_its_window_does_not_count(verifier, tmp_path, changes, result, words, sidecars):
    open_root(verifier, tmp_path, quarter.second_version(quarter.trust_root()[0], **changes))
    verifier.tab.run("document.querySelector('#ticked-root').click()")
    sheet = verifier.files(forge.write_vector(tmp_path, 0, sidecars=sidecars))[0]
    assert sheet["result"] == result and words in sheet["because"]


def test_a_checkpoint_line_of_an_unknown_key_is_refused(verifier, tmp_path):
    open_root(verifier, tmp_path, quarter.trust_root()[0])
    verifier.tab.run("document.querySelector('#ticked-root').click()")
    paths = forge.write_vector(tmp_path, 2)
    proof = tmp_path / f"{VECTORS['bundles'][2]['id']}.zip.tlog-proof"
    proof.write_text(proof.read_text(encoding="utf-8") + VECTORS["witness"]["cosignature_line"], encoding="utf-8")
    assert verifier.files(paths)[0]["failed"] == "checkpoint"


def without(name):
    return lambda files: {key: value for key, value in files.items() if key != name and not key.startswith(name)}


def changed(files, old, new):
    return {**files, "root-v1.dsse.json": files["root-v1.dsse.json"].replace(old, new)}


def twice_one_holder(files):
    """One signature, twice, under two key ids."""
    envelope = json.loads(files["root-v1.dsse.json"])
    first, second = envelope["signatures"]
    envelope["signatures"] = [first, {"keyid": second["keyid"], "sig": first["sig"]}]
    return {**files, "root-v1.dsse.json": maker.compact(envelope) + b"\n"}


def other_statement(files):
    envelope = json.loads(files["root-v1.dsse.json"])
    payload = base64.b64decode(envelope["payload"]).replace(b'"threshold":2', b'"threshold":1')
    envelope["payload"] = maker.b64(payload)
    return {**files, "root-v1.dsse.json": maker.compact(envelope) + b"\n"}


@pytest.mark.parametrize("change, words", [
    (without("evidence-"), "is missing"), (without("root-v1"), "is no root-v1"),
    (lambda files: {**files, next(name for name in files if name.startswith("evidence-")): forge.WITNESS_PEM.encode()}, "is not the file"),
    (lambda files: quarter.trust_root(signers=quarter.ROOT_KEYS[:1])[0], "signed by 1"), (twice_one_holder, "signed by 1"),
    (other_statement, "signed by 0"), (lambda files: changed(files, b'{"payload"', b'{ "payload"'), "spelled"),
    (lambda files: changed(quarter.second_version(files), b"zzz", b""), ""),
    (lambda files: quarter.second_version(files, signers=quarter.ROOT_KEYS[2:]), "signed by 1"),
    (lambda files: {name: content for name, content in quarter.second_version(files).items() if name != "root-v1.dsse.json"}, "is missing"),
    (lambda files: {**files, "root-v2.dsse.json": files["root-v1.dsse.json"]}, "not version 2"),
], ids=["no-key", "no-root", "other-key", "one-holder", "one-holder-twice", "other-threshold", "spelling", "good", "second-by-one",
        "gap", "version-twice"])
def test_a_trust_root_is_read_whole_or_not_at_all(verifier, tmp_path, change, words):
    open_root(verifier, tmp_path, change(quarter.trust_root()[0]))
    said = verifier.tab.run("document.querySelector('#key-root .wrong').textContent")
    assert (words in said) if words else verifier.tab.run("keys.root.version") == 2, said
    assert bool(words) == verifier.tab.run("keys.root === undefined")


# --- the slots -------------------------------------------------------------------------------------------------------


def test_slots_are_those_of_the_vectors(verifier):
    for vector in VECTORS["slots"]:
        until = vector["next"][-1]
        found = verifier.tab.run(f"""[...slotsBetween(parseSchedule({json.dumps(vector['schedule'])}),
            parseTime({json.dumps(vector['after'])}), parseTime({json.dumps(until)}) + 1)]""")
        assert found == vector["next"]


@pytest.mark.parametrize("text", ["0 2 * *", "0 2 * * * *", "60 2 * * *", "0 24 * * *", "0 2 0 * *", "0 2 * 13 *", "0 2 * * 8",
                                  "0 2 * * MON", "@daily", "0 2 5-1 * *", "*/0 2 * * *", "0  2 * * *", ""])
def test_what_is_no_schedule_is_refused(verifier, text):
    assert verifier.tab.run(f"parseSchedule({json.dumps(text)}) === undefined") is True


# --- looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", ["whole", "forged"])
def test_axe_finds_nothing_on_the_sheet_of_a_period(verifier, axe, tmp_path, whole, small, state, dark):
    if state == "forged":
        skip_slot(small)
    assert judged(verifier, tmp_path, whole if state == "whole" else small)["result"] == ("exceptions" if state == "whole" else "not-genuine")
    assert violations(verifier, axe, dark) == []


def test_every_day_of_the_period_is_on_the_calendar(verifier, tmp_path, whole):
    judged(verifier, tmp_path, whole)
    assert verifier.tab.run("document.querySelectorAll('.days .day').length") == 92
    assert verifier.tab.run("[...document.querySelectorAll('.days .missed')].map((it) => it.title)") == ["2026-08-14: missed"]
    label = verifier.tab.run("document.querySelector('.calendar [role=img]').getAttribute('aria-label')")
    assert label == "Slots of the period by day: 91 days complete, 1 days missed."
