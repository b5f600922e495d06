"""The browser verifier in headless Chromium: what it accepts, what it refuses and for which reason, how it behaves."""

import base64
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess

import pytest

import forge
from auditor import violations
from forge import VECTORS, maker
from page import assemble

ROOT = pathlib.Path(__file__).resolve().parents[2]
IDS = [vector["id"] for vector in VECTORS["bundles"]]
RESULTS = ["genuine", "exceptions", "genuine"]
FIRST = f"{IDS[0]}.zip"
SLOT = "2026-10-01T02:00:00Z"
KEY_ID = VECTORS["evidence_key"]["keyid"]


# --- the page itself -------------------------------------------------------------------------------------------------


def test_the_program_prints_the_page_that_is_tested_here():
    program = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug" / "evidenced"
    assert program.exists(), "build the program first: cargo build"
    printed = subprocess.run([program, "verify-page"], check=True, capture_output=True).stdout
    assert printed.decode() == assemble()


def test_the_policy_allows_this_script_and_this_style_and_nothing_else():
    page = assemble()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))

    def digest(element):
        parts = re.findall(rf"<{element}[^>]*>(.*?)</{element}>", page, re.S)
        assert len(parts) == 1
        return base64.b64encode(hashlib.sha256(parts[0].encode()).digest()).decode()

    assert rules == {
        "default-src": "'none'", "script-src": f"'sha256-{digest('script')}'", "style-src": f"'sha256-{digest('style')}'",
        "form-action": "'none'", "base-uri": "'none'",
    }
    assert not re.search(r"""\s(?:style|on[a-z]+|src)=["']""", page.split("<script>")[0])
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "eval(" not in page


def test_the_page_requests_nothing_and_breaks_no_policy(verifier, tmp_path):
    verifier.tab.run("globalThis.broken = []; addEventListener('securitypolicyviolation', (it) => broken.push(it.blockedURI))")
    verifier.keys()
    assert verifier.files(forge.write_vector(tmp_path, 0))[0]["result"] == "genuine"
    requests = {event["request"]["url"] for event in verifier.tab.events("Network.requestWillBeSent")}
    assert {url.split(":")[0] for url in requests} <= {"file"} and len(requests) <= 1
    assert verifier.tab.run("broken") == []
    assert verifier.tab.events("Log.entryAdded") == [] and verifier.tab.events("Runtime.exceptionThrown") == []


def test_the_policy_holds_against_a_script_that_got_in(verifier):
    ran = verifier.tab.run("""(() => { const script = document.createElement("script");
        script.textContent = "globalThis.ran = true"; document.body.append(script); return globalThis.ran === true; })()""")
    assert ran is False


def test_a_browser_without_ed25519_is_told_so(browser, page_url):
    tab = browser.page(page_url, before="crypto.subtle.importKey = () => Promise.reject(new Error('unknown'))")
    assert tab.run("document.body.dataset.ready") == "no"
    assert "lacks Ed25519 signatures" in tab.run("document.querySelector('#missing').innerText")
    tab.close()


# --- accepted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(3))
def test_a_lone_vector_is_signed(verifier, tmp_path, number):
    verifier.key("evidence", forge.EVIDENCE_PEM, KEY_ID)
    sheet = verifier.files(forge.write_vector(tmp_path, number, sidecars=()))[0]
    assert (sheet["result"], sheet["level"]) == (RESULTS[number], "signed")
    assert sheet["checks"]["signature"] == "pass" and sheet["checks"]["zip-digest"] == "idle"
    assert "no .sigstore.json was given" in sheet["text"] and "the date of the signature is not shown" in sheet["text"]


@pytest.mark.parametrize("number", range(3))
def test_a_vector_with_sidecars_is_logged_and_every_check_passes(verifier, tmp_path, number):
    verifier.keys()
    sheet = verifier.files(forge.write_vector(tmp_path, number))[0]
    assert (sheet["result"], sheet["level"]) == (RESULTS[number], "logged")
    assert {name for name, state in sheet["checks"].items() if state != "pass"} == {"trust-root"}


def test_several_bundles_are_each_judged_and_the_worst_counts(verifier, tmp_path):
    verifier.keys()
    paths = [path for number in range(3) for path in forge.write_vector(tmp_path, number)]
    assert [sheet["result"] for sheet in verifier.files(paths)] == RESULTS
    assert verifier.tab.run("document.body.dataset.result") == "exceptions"
    summary = verifier.tab.run("document.querySelector('#summary').innerText")
    assert "2 genuine; 1 genuine, with exceptions." in summary
    assert "entries 0 to 2 of the log, each following the one before" in summary


def test_a_day_that_was_not_given_is_named(verifier, tmp_path):
    verifier.keys()
    paths = [path for number in (0, 2) for path in forge.write_vector(tmp_path, number)]
    assert [sheet["result"] for sheet in verifier.files(paths)] == ["genuine", "genuine"]
    assert verifier.tab.run("document.body.dataset.result") == "exceptions"
    assert "these were not given: 1." in verifier.tab.run("document.querySelector('#summary').innerText")


def test_a_day_that_was_replaced_breaks_the_chain(verifier, tmp_path):
    """The key signs a second statement about the first day; the log key does not know of it."""
    verifier.key("evidence", forge.EVIDENCE_PEM)
    paths = [path for number in (0, 1) for path in forge.write_vector(tmp_path, number, sidecars=(".sigstore.json",))]
    resign(paths[1], VECTORS["bundles"][0]["statement"].replace('"version":"0.1.0"', '"version":"0.1.1"'))
    assert [sheet["result"] for sheet in verifier.files(paths)] == ["genuine", "exceptions"]
    assert verifier.tab.run("document.body.dataset.result") == "not-genuine"
    assert "entry 1 of the log does not follow entry 0" in verifier.tab.run("document.querySelector('#summary').innerText")


def test_a_missed_slot_says_that_there_was_no_run(verifier, tmp_path):
    verifier.keys()
    assert "there was no run for this slot" in verifier.files(forge.write_vector(tmp_path, 1))[0]["because"]


def partial(expires=None):
    data = forge.payload_of(0)
    row = json.loads(data["data/run.json"])["cells"][0]
    for name in ("file", "sha256"):
        del row[name]
    row.update(status="denied", error={"code": "AccessDenied", "message": "<b>no</b>"})
    if expires:
        row["accepted"] = {"approver": "CISO", "expires": expires, "reason": "agreed"}
    data = {path: content for path, content in data.items() if "/evidence/" not in path}
    open_gap = not expires or expires < SLOT[:10]
    return forge.rerun(data, cells=[row], status="partial" if open_gap else "complete")


@pytest.mark.parametrize("expires", [None, "2026-09-30"])
def test_open_gaps_are_listed_as_text(verifier, expires):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    sheet = verifier.zip(FIRST, forge.signed(IDS[0], partial(expires), SLOT))
    assert (sheet["result"], sheet["level"]) == ("exceptions", "signed")
    assert "OPEN GAPS (1)" in sheet["text"] and "AccessDenied: <b>no</b>" in sheet["text"]


def test_an_accepted_gap_is_listed_apart_and_is_no_exception(verifier):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    sheet = verifier.zip(FIRST, forge.signed(IDS[0], partial("2026-10-01"), SLOT))
    assert sheet["result"] == "genuine"
    assert "ACCEPTED GAPS (1)" in sheet["text"] and "by CISO until 2026-10-01: agreed" in sheet["text"]


def test_a_deflated_bundle_is_accepted(verifier):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    assert verifier.zip(FIRST, forge.signed(IDS[0], forge.payload_of(0), SLOT, deflate=True))["result"] == "genuine"


def test_the_checkpoint_can_be_kept(verifier, tmp_path):
    verifier.keys()
    verifier.files([path for number in range(3) for path in forge.write_vector(tmp_path, number)])
    assert verifier.tab.run("document.querySelector('#checkpoint').textContent") == VECTORS["bundles"][2]["checkpoint"]
    saved = verifier.tab.run("""new Promise((resolve) => {
        document.addEventListener("click", (event) => { event.preventDefault();
            fetchBlob(event.target).then(resolve); }, { capture: true, once: true });
        const before = HTMLAnchorElement.prototype.click;
        let kept; const create = URL.createObjectURL;
        URL.createObjectURL = (blob) => { kept = blob; return create(blob); };
        HTMLAnchorElement.prototype.click = function () { kept.text().then((text) => resolve([this.download, text])); };
        globalThis.fetchBlob = () => Promise.resolve();
        saveCheckpoint();
        HTMLAnchorElement.prototype.click = before;
    })""")
    assert saved == ["checkpoint-3.txt", VECTORS["bundles"][2]["checkpoint"]]


# --- keys ------------------------------------------------------------------------------------------------------------


def test_without_a_key_nothing_can_be_said(verifier, tmp_path):
    sheet = verifier.files(forge.write_vector(tmp_path, 0))[0]
    assert (sheet["result"], sheet["level"]) == ("could-not-tell", "none")


@pytest.mark.parametrize("purpose", ["evidence", "log"])
def test_a_key_that_nobody_compared_gives_no_verdict(verifier, tmp_path, purpose):
    verifier.key("evidence", forge.EVIDENCE_PEM, None if purpose == "evidence" else "tick")
    verifier.key("log", forge.LOG_PEM, None if purpose == "log" else "tick")
    sheet = verifier.files(forge.write_vector(tmp_path, 0))[0]
    assert sheet["result"] == "could-not-tell" and f"the {purpose} key was not compared" in sheet["because"]


@pytest.mark.parametrize("purpose", ["evidence", "log"])
def test_a_wrong_fingerprint_is_refused(verifier, tmp_path, purpose):
    wrong = "f" + KEY_ID[:-1]
    verifier.key("evidence", forge.EVIDENCE_PEM, wrong if purpose == "evidence" else KEY_ID)
    verifier.key("log", forge.LOG_PEM, wrong if purpose == "log" else "tick")
    sheet = verifier.files(forge.write_vector(tmp_path, 0))[0]
    assert (sheet["result"], sheet["failed"], sheet["level"]) == ("not-genuine", "keys", "none")
    assert "Another fingerprint" in verifier.tab.run(f"document.querySelector('#match-{purpose}').innerText")


def test_a_fingerprint_may_be_spelled_with_spaces_colons_and_capitals(verifier, tmp_path):
    spelled = "SHA256: " + ":".join(re.findall("..", KEY_ID.upper()))
    verifier.key("evidence", forge.EVIDENCE_PEM, spelled)
    assert verifier.files(forge.write_vector(tmp_path, 0, sidecars=()))[0]["result"] == "genuine"


def test_a_wrong_key_is_refused_with_and_without_sidecars(verifier, tmp_path):
    verifier.key("evidence", forge.WITNESS_PEM)
    assert verifier.files(forge.write_vector(tmp_path, 0, sidecars=()))[0]["failed"] == "signature"
    verifier.tab.run("document.querySelector('#clear').click()")
    assert verifier.files(forge.write_vector(tmp_path, 0))[0]["failed"] == "statement-signature"


def test_the_evidence_key_does_not_pass_for_the_log_key(verifier, tmp_path):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    verifier.key("log", forge.EVIDENCE_PEM)
    assert verifier.files(forge.write_vector(tmp_path, 0))[0]["failed"] == "checkpoint"


@pytest.mark.parametrize("raw, words", [
    (bytes(32), "weak"), (b"\x01" + bytes(31), "weak"), (b"\xec" + b"\xff" * 30 + b"\x7f", "weak"),
    (b"\xee" + b"\xff" * 30 + b"\x7f", "weak"),
    (bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"), "weak"),
])
def test_a_weak_key_is_no_key(verifier, raw, words):
    der = bytes.fromhex("302a300506032b6570032100") + raw
    text = json.dumps(forge.pem(base64.b64encode(der).decode()))
    assert words in verifier.tab.run(f"readKey({text}).then(() => '', (error) => error.message)")


def test_a_private_key_is_sent_away(verifier):
    text = json.dumps("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEB\n-----END PRIVATE KEY-----\n")
    assert "private key" in verifier.tab.run(f"readKey({text}).then(() => '', (error) => error.message)")


def test_a_malleable_signature_is_refused(verifier):
    signature = maker.EVIDENCE.sign(b"message")
    order = 2**252 + 27742317777372353535851937790883648493
    other = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    weak = b"\x01" + bytes(31) + signature[32:]
    answers = verifier.tab.run(f"""readKey({json.dumps(forge.EVIDENCE_PEM)}).then((key) => Promise.all(
        {json.dumps([list(it) for it in (signature, other, weak)])}.map((it) =>
            isSignature(key, utf8("message"), Uint8Array.from(it)))))""")
    assert answers == [True, False, False]


# --- refused: the bag ------------------------------------------------------------------------------------------------


def patched(zipped, path, change):
    """The zip with one file changed, its checksums too: the zip stays well-formed."""
    files = forge.files_of(zipped)
    files[path] = change(files[path])
    return forge.zipped(IDS[0], files)


def flip(content):
    return content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]


REASONS = {
    "README.txt": "tag-files", "bag-info.txt": "tag-files", "bagit.txt": "tag-files", "manifest-sha256.txt": "tag-files",
    "tagmanifest-sha256.txt": "signature", "tagmanifest-sha256.txt.sig": "signature",
}


@pytest.mark.parametrize("path", sorted(forge.files_of(forge.zip_of(0))))
def test_each_changed_file_is_refused_for_its_reason(verifier, path):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    sheet = verifier.zip(FIRST, patched(forge.zip_of(0), path, flip))
    expected = REASONS.get(path, "payload")
    assert sheet["result"] == "not-genuine"
    assert sheet["failed"] == expected or (path == "tagmanifest-sha256.txt" and sheet["failed"] == "tag-manifest")


def test_an_added_file_is_refused(verifier):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    files = {**forge.files_of(forge.zip_of(0)), "data/zzz.json": b"{}\n"}
    assert verifier.zip(FIRST, forge.zipped(IDS[0], files))["failed"] == "file-set"


def test_a_dropped_file_is_refused(verifier):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    files = {path: content for path, content in forge.files_of(forge.zip_of(0)).items() if "vpc.vpcs" not in path}
    assert verifier.zip(FIRST, forge.zipped(IDS[0], files))["failed"] == "file-set"


def test_a_renamed_bundle_is_refused(verifier):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    assert verifier.zip(f"{IDS[2]}.zip", forge.zip_of(0))["failed"] == "bag-name"


# --- refused: the zip ------------------------------------------------------------------------------------------------


def comment():
    return forge.zip_of(0)[:-2] + struct.pack("<H", 4) + b"PKxx"


def comment_in_length_only():
    return forge.zip_of(0)[:-2] + struct.pack("<H", 4)


def prefix():
    return b"prefix" + forge.zip_of(0)


def prefix_with_moved_offsets():
    zipped = bytearray(b"prefix" + forge.zip_of(0))
    end = len(zipped) - 22
    start = struct.unpack_from("<I", zipped, end + 16)[0] + 6
    struct.pack_into("<I", zipped, end + 16, start)
    while start < end:
        struct.pack_into("<I", zipped, start + 42, struct.unpack_from("<I", zipped, start + 42)[0] + 6)
        start += 46 + struct.unpack_from("<H", zipped, start + 28)[0]
    return bytes(zipped)


def duplicate_names():
    """The last file, which is the signature, twice, both well-formed and listed."""
    zipped = forge.zip_of(0)
    end = len(zipped) - 22
    start = struct.unpack_from("<I", zipped, end + 16)[0]
    last, offset = start, 0
    while last < end:
        size = 46 + struct.unpack_from("<H", zipped, last + 28)[0]
        if last + size == end:
            break
        last += size
    offset = struct.unpack_from("<I", zipped, last + 42)[0]
    local = zipped[offset:start]
    central = bytearray(zipped[last:end])
    struct.pack_into("<I", central, 42, start)
    directory = zipped[start:end] + bytes(central)
    count = struct.unpack_from("<H", zipped, end + 10)[0] + 1
    return zipped[:start] + local + directory + struct.pack(
        "<IHHHHIIH", 0x06054b50, 0, 0, count, count, len(directory), start + len(local), 0)


def bad_checksum():
    """Both headers agree on a checksum that the contents do not have."""
    zipped = bytearray(forge.zip_of(0))
    start = struct.unpack_from("<I", zipped, len(zipped) - 6)[0]
    zipped[14] ^= 1
    zipped[start + 16] ^= 1
    return bytes(zipped)


def changed_content():
    """A byte of a file, and nothing that speaks of it."""
    return forge.zip_of(0).replace(b"Test vector.", b"Test Vector.")


def size_lie():
    zipped = bytearray(forge.signed(IDS[0], forge.payload_of(0), SLOT, deflate=True))
    start = struct.unpack_from("<I", zipped, len(zipped) - 6)[0]
    for at in (22, start + 24):
        struct.pack_into("<I", zipped, at, struct.unpack_from("<I", zipped, at)[0] - 1)
    return bytes(zipped)


def stated_size(size):
    """A deflated file that claims to be of this size, in both headers."""
    zipped = bytearray(forge.signed(IDS[0], forge.payload_of(0), SLOT, deflate=True))
    start = struct.unpack_from("<I", zipped, len(zipped) - 6)[0]
    struct.pack_into("<I", zipped, 22, size)
    struct.pack_into("<I", zipped, start + 24, size)
    return bytes(zipped)


def beyond_the_limit():
    return stated_size(513 << 20)


def bomb():
    """A megabyte of zeros where a few bytes are stated."""
    files = {**forge.files_of(forge.zip_of(0)), "README.txt": bytes(1 << 20)}
    zipped = bytearray(forge.zipped(IDS[0], files, deflate=True))
    start = struct.unpack_from("<I", zipped, len(zipped) - 6)[0]
    struct.pack_into("<I", zipped, 22, 13)
    struct.pack_into("<I", zipped, start + 24, 13)
    return bytes(zipped)


def too_many_files():
    zipped = bytearray(forge.zip_of(0))
    struct.pack_into("<HH", zipped, len(zipped) - 14, 20_001, 20_001)
    return bytes(zipped)


def unsafe_name():
    return forge.zip_of(0).replace(b"0Z/README.txt", b"0Z/../ADM.txt")


def not_sorted():
    return forge.zip_of(0).replace(b"0Z/README.txt", b"0Z/zEADME.txt")


def case_clash():
    files = {**forge.files_of(forge.zip_of(0)), "data/RUN.json": b"{}\n"}
    return forge.zipped(IDS[0], files)


def encrypted():
    zipped = bytearray(forge.zip_of(0))
    zipped[6] |= 1
    return bytes(zipped)


def symbolic_link():
    zipped = bytearray(forge.zip_of(0))
    start = struct.unpack_from("<I", zipped, len(zipped) - 6)[0]
    struct.pack_into("<I", zipped, start + 38, 0o120777 << 16)
    return bytes(zipped)


@pytest.mark.parametrize("forged, reason", [
    (comment, "zip-end"), (comment_in_length_only, "zip-end"), (lambda: forge.zip_of(0) + b"suffix", "zip-end"),
    (lambda: forge.zip_of(0) + b"\n", "zip-end"), (lambda: b"", "zip-end"), (lambda: forge.zip_of(0)[:-1], "zip-end"),
    (prefix, "zip-end"), (prefix_with_moved_offsets, "zip-layout"), (duplicate_names, "zip-names"),
    (bad_checksum, "zip-content"), (changed_content, "zip-content"), (size_lie, "zip-content"),
    (beyond_the_limit, "zip-limits"), (too_many_files, "zip-limits"), (bomb, "zip-content"),
    (unsafe_name, "zip-names"), (not_sorted, "zip-names"), (case_clash, "zip-names"), (encrypted, "zip-headers"),
    (symbolic_link, "zip-headers"),
], ids=lambda it: getattr(it, "__name__", it))
def test_a_zip_that_is_not_of_the_profile_is_refused(verifier, forged, reason):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    sheet = verifier.zip(FIRST, forged())
    assert (sheet["result"], sheet["failed"]) == ("not-genuine", reason)


# --- refused: the run ------------------------------------------------------------------------------------------------


def run_of(data):
    return json.loads(data["data/run.json"])


def silent(data):
    """The planned cell has neither row nor document."""
    return forge.rerun({path: it for path, it in data.items() if "/evidence/" not in path}, cells=[])


def twice(data):
    return forge.rerun(data, cells=run_of(data)["cells"] * 2)


def row_from_nowhere(data):
    return forge.rerun(data, cells=[*run_of(data)["cells"], {**run_of(data)["cells"][0], "region": "eu-west-9"}])


def failed_but_complete(data):
    path = next(path for path in data if "/evidence/" in path)
    document = maker.line({**json.loads(data[path]), "calls": [{"error": {"code": "Throttling"}}]})
    rows = [{**run_of(data)["cells"][0], "sha256": hashlib.sha256(document).hexdigest()}]
    return forge.rerun({**data, path: document}, cells=rows)


def judged(data, text="package a\n"):
    """A run with a policy and the digest of one, which is `text` where nothing else is said."""
    digest = hashlib.sha256(b"package a\n").hexdigest()
    stated = hashlib.sha256(f"{digest}  data/policies/a.rego\n".encode()).hexdigest()
    made = forge.rerun(data, evidenceKeyId=maker.EVIDENCE.id, collector={"version": "0.1.0", "policiesDigest": {"sha256": stated}})
    return {**made, "data/policies/a.rego": text.encode()}


def test_a_run_that_names_its_signer_and_its_policies_is_genuine(verifier):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    sheet = verifier.zip(FIRST, forge.signed(IDS[0], judged(forge.payload_of(0)), SLOT))
    assert (sheet["result"], sheet["checks"]["run-policies"]) == ("genuine", "pass")


def member_twice(data):
    return {**data, "data/run.json": data["data/run.json"].replace(b'"status":"complete","trigger"', b'"status":"partial","status":"complete","trigger"')}


@pytest.mark.parametrize("change, reason", [
    (silent, "run-coverage"), (twice, "run-coverage"), (row_from_nowhere, "run-coverage"),
    (failed_but_complete, "run-files"), (member_twice, "run-documents"),
    (lambda data: forge.rerun(data, status="partial"), "run-status"),
    (lambda data: forge.rerun(data, totals={"openGaps": 1}), "run-status"),
    (lambda data: forge.rerun(data, slot="2026-10-02T02:00:00Z"), "run-identity"),
    (lambda data: forge.rerun(data, scope={"accounts": 2, "name": "demo", "regions": 1}), "run-identity"),
    (lambda data: forge.rerun(data, trigger="manual"), "run-identity"),
    (lambda data: forge.rerun(data, evidenceKeyId=maker.LOG.id), "run-identity"),
    (lambda data: judged(data, "package weaker\n"), "run-policies"),
    (lambda data: {**judged(data), "data/policies/lib/b.rego": b"package b\n"}, "run-policies"),
    (lambda data: {**data, "data/policies/a.rego": b"package a\n"}, "run-policies"),
    (lambda data: {**data, "data/evidence/111122223333/eu-central-1/zzz.json": b"{}\n"}, "run-files"),
    (lambda data: {**data, "data/plan.json": b"not json\n"}, "run-documents"),
    (lambda data: {**data, "data/plan.json": b"[" * 100_000}, "run-documents"),
], ids=lambda it: getattr(it, "__name__", it))
def test_a_signed_run_that_contradicts_itself_is_refused(verifier, change, reason):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    sheet = verifier.zip(FIRST, forge.signed(IDS[0], change(forge.payload_of(0)), SLOT))
    assert (sheet["result"], sheet["failed"]) == ("not-genuine", reason)


def test_a_run_in_parts_gets_no_verdict(verifier):
    verifier.key("evidence", forge.EVIDENCE_PEM)
    data = {**forge.payload_of(0), "data/parts.json": b"[]\n"}
    sheet = verifier.zip(FIRST, forge.signed(IDS[0], data, SLOT))
    assert sheet["result"] == "could-not-tell" and "does not open parts" in sheet["because"]


# --- refused: the sidecars -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix, reason", [(".sigstore.json", "statement"), (".tlog-proof", "log-proof"), (".sshsig", "ssh-signature")])
def test_the_sidecar_of_another_day_is_refused(verifier, tmp_path, suffix, reason):
    verifier.keys()
    paths = forge.write_vector(tmp_path, 0)
    (tmp_path / (FIRST + suffix)).write_text(VECTORS["bundles"][2][forge.SIDECARS[suffix]], encoding="utf-8")
    sheet = verifier.files(paths)[0]
    assert (sheet["result"], sheet["failed"]) == ("not-genuine", reason)


def test_a_zip_that_is_not_the_one_of_the_statement_is_refused_before_it_is_opened(verifier, tmp_path):
    verifier.keys()
    paths = forge.write_vector(tmp_path, 0)
    paths[0].write_bytes(forge.zip_of(0) + b"suffix")
    sheet = verifier.files(paths)[0]
    assert sheet["failed"] == "zip-digest" and sheet["checks"]["zip-end"] == "idle"


def resign(path, statement):
    """A statement that the key did sign."""
    signature = base64.b64encode(maker.EVIDENCE.sign(maker.pae(statement.encode()))).decode()
    path.write_text(maker.sigstore_json(statement.encode(), signature), encoding="utf-8")


@pytest.mark.parametrize("old, new, reason", [
    ('"status":"complete"', '"status":"partial"', "run-statement"),
    ("0 2 * * *", "0 3 * * *", "run-statement"),
    ('"accounts":1', '"accounts":2', "run-statement"),
    ('"accounts":1', '"accounts":1.0', "statement"),
    ('"accounts":1', '"accounts": 1', "statement"),
    ('"slot":"2026-10-01', '"slot":"2026-10-02', "statement"),
    ('"trigger":"schedule"', '"trigger":"manual"', "statement"),
    ("urn:evidenced:snapshot:v1", "urn:evidenced:snapshot:v2", "statement"),
    ('"index":0', '"index":1', "statement"),
    ('"status":"complete"', '"status":"partial","status":"complete"', "statement"),
    ("2e06d3ef184bec66", "0000000000000000", "run-statement"),
])
def test_a_signed_statement_that_is_not_about_this_run_is_refused(verifier, tmp_path, old, new, reason):
    statement = VECTORS["bundles"][0]["statement"]
    assert old in statement
    verifier.key("evidence", forge.EVIDENCE_PEM)
    paths = forge.write_vector(tmp_path, 0, sidecars=(".sigstore.json",))
    resign(paths[1], statement.replace(old, new))
    assert verifier.files(paths)[0]["failed"] == reason


def test_a_sidecar_without_its_zip_is_named_and_leaves_the_question_open(verifier, tmp_path):
    verifier.keys()
    paths = forge.write_vector(tmp_path, 0) + forge.write_vector(tmp_path, 2)[1:2]
    assert verifier.files(paths)[0]["result"] == "genuine"
    assert verifier.tab.run("document.body.dataset.result") == "could-not-tell"
    assert "belongs to no zip" in verifier.tab.run("document.querySelector('#list').innerText")


MUTATE = """
(async () => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const given = %s;
  const key = async (text) => ({ ...(await readKey(text)), compared: true });
  const keys = { evidence: await key(given.evidence), log: await key(given.log) };
  const file = (content, name) => new File([content], name);
  const content = Object.fromEntries(Object.entries(given.files).map(([name, text]) => [name, bytes(text)]));
  const bundle = (changed, with_) => ({
    zip: file(changed === "" ? with_ : content[""], given.name),
    sidecars: Object.fromEntries(Object.keys(content).filter(Boolean).map((suffix) =>
      [suffix, file(changed === suffix ? with_ : content[suffix], given.name + suffix)])),
  });
  const original = await verifyBundle(bundle(undefined), keys, () => {});
  const survivors = [];
  let tried = 0;
  for (let at = 0; at < content[given.target].length; at++) {
    const mask = at %% 2 === 0 ? 0x01 : 0x80;
    const changed = content[given.target].slice();
    changed[at] ^= mask;
    const report = await verifyBundle(bundle(given.target, changed), keys, () => {});
    tried += 1;
    if (report.result !== "not-genuine") survivors.push([at, mask, report.result, report.failed?.message]);
  }
  return { original: original.result, tried, survivors };
})()
"""


def mutate(verifier, files, target):
    encoded = {suffix: base64.b64encode(content).decode() for suffix, content in files.items()}
    given = {"evidence": forge.EVIDENCE_PEM, "log": forge.LOG_PEM, "name": FIRST, "files": encoded, "target": target}
    answer = verifier.tab.run(MUTATE % json.dumps(given))
    assert answer["original"] == "genuine" and answer["survivors"] == []
    assert answer["tried"] == len(files[target])


@pytest.mark.parametrize("suffix", sorted(forge.SIDECARS))
def test_every_changed_byte_of_a_sidecar_is_refused(verifier, suffix):
    # Of the proof's bundle the second entry would do as well; the first has the shortest proof.
    vector = VECTORS["bundles"][0]
    files = {"": forge.zip_of(0), **{it: vector[name].encode() for it, name in forge.SIDECARS.items()}}
    mutate(verifier, files, suffix)


@pytest.mark.parametrize("deflate", [False, True], ids=["stored", "deflated"])
def test_every_changed_byte_of_a_lone_zip_is_refused(verifier, deflate):
    mutate(verifier, {"": forge.signed(IDS[0], forge.payload_of(0), SLOT, deflate=deflate)}, "")


# --- large files -----------------------------------------------------------------------------------------------------


def test_our_sha256_gives_the_digests_of_nist(verifier):
    cases = {
        "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq":
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu":
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        "a" * 1_000_000: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    }
    found = verifier.tab.run(f"{json.dumps(list(cases))}.map((text) => hex(new Sha256().update(utf8(text)).digest()))")
    assert found == list(cases.values())


def test_our_sha256_agrees_with_webcrypto_at_every_length_and_split(verifier):
    assert verifier.tab.run("""(async () => {
        const wrong = [];
        for (let length = 0; length < 260; length++) {
            const bytes = crypto.getRandomValues(new Uint8Array(length));
            const split = Math.floor(length / 3);
            const ours = new Sha256().update(bytes.subarray(0, split)).update(bytes.subarray(split)).digest();
            if (!sameBytes(ours, await sha256(bytes))) wrong.push(length);
        }
        return wrong;
    })()""") == []


def test_a_file_read_by_slices_has_the_digest_of_the_whole(verifier):
    assert verifier.tab.run("""(async () => {
        const file = new File([new Uint8Array(20 * MIB + 17).fill(7)], "large");
        const heard = [];
        const sliced = await hashFile(file, (done) => heard.push(done), MIB);
        return [hex(sliced) === hex(await hashFile(file, () => {})), heard.length, heard.at(-1) === file.size];
    })()""") == [True, 3, True]


@pytest.mark.parametrize("changed", [False, True], ids=["genuine", "changed"])
def test_a_payload_file_that_is_hashed_in_steps_counts_like_any_other(verifier, changed):
    """65 MiB are more than what is given to WebCrypto whole; the changed file has good checksums in the zip."""
    large = bytes(65 << 20)
    content = forge.signed(IDS[0], {**forge.payload_of(0), "data/raw/large.body": large}, SLOT)
    if changed:
        content = patched(content, "data/raw/large.body", flip)
    verifier.key("evidence", forge.EVIDENCE_PEM)
    sheet = verifier.zip(FIRST, content)
    assert (sheet["result"], sheet.get("failed")) == (("not-genuine", "payload") if changed else ("genuine", None))


# --- looks and manners -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", ["empty", "genuine", "missed", "gaps", "not-genuine", "could-not-tell"])
def test_axe_finds_nothing(verifier, axe, tmp_path, state, dark):
    if state != "empty":
        verifier.keys()
    if state in ("genuine", "missed"):
        verifier.files(forge.write_vector(tmp_path, 0 if state == "genuine" else 1))
    elif state == "gaps":
        verifier.zip(FIRST, forge.signed(IDS[0], partial(), SLOT))
    elif state == "not-genuine":
        assert verifier.zip(FIRST, changed_content())["result"] == state
        verifier.tab.fill("#typed-log", "00")
        verifier.sheets()
    elif state == "could-not-tell":
        verifier.tab.run("document.querySelector('#ticked-evidence').click()")
        assert verifier.files(forge.write_vector(tmp_path, 0))[0]["result"] == state
    assert violations(verifier, axe, dark) == []


def test_names_and_contents_of_files_are_text(verifier, tmp_path):
    verifier.keys()
    name = "<img src=x onerror=alert(1)>\u202e.zip"
    path = tmp_path / name
    path.write_bytes(forge.zip_of(0))
    sheet = verifier.files([path])[0]
    assert "<img src=x onerror=alert(1)>\\u{202e}.zip" in sheet["text"]
    assert verifier.tab.run("document.querySelectorAll('img').length") == 0


def test_the_result_is_announced(verifier, tmp_path):
    verifier.keys()
    verifier.files(forge.write_vector(tmp_path, 0))
    assert verifier.tab.run("document.querySelector('[aria-live=polite]').textContent").startswith("Genuine. ")


def test_everything_can_be_reached_with_the_keyboard(verifier, tmp_path):
    verifier.keys()
    verifier.files(forge.write_vector(tmp_path, 0))
    verifier.tab.run("document.activeElement.blur()")
    reached = []
    for _ in range(20):
        for kind in ("keyDown", "keyUp"):
            verifier.tab.send("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(verifier.tab.run("document.activeElement.id || document.activeElement.tagName.toLowerCase()"))
    for wanted in ("file-evidence", "typed-evidence", "ticked-evidence", "file-log", "typed-log", "ticked-log", "files",
                   "clear", "checkpoint", "save-checkpoint", "copy-checkpoint", "summary"):
        assert wanted in reached, reached


@pytest.mark.parametrize("count", [1, 3])
def test_print_shows_the_verdict_first_and_every_check(verifier, tmp_path, count):
    verifier.keys()
    verifier.files([path for number in range(count) for path in forge.write_vector(tmp_path, number)])
    verifier.tab.run("dispatchEvent(new Event('beforeprint'))")
    verifier.tab.send("Emulation.setEmulatedMedia", media="print")
    shown = verifier.tab.run("""[...document.querySelectorAll(".verdict, [data-check], .facts dd, #checkpoint, .key > div:not([hidden]) .fingerprint")]
        .map((it) => it.getBoundingClientRect()).map((box) => box.height > 0 && box.width > 0)""")
    assert len(shown) > 40 * count and all(shown)
    assert verifier.tab.run("""document.querySelector(".verdict").getBoundingClientRect().top <
        document.querySelector(".acts").getBoundingClientRect().top""")
