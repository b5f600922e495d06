"""Verifiers by other hands accept the good bundle and refuse every forgery that they are able to see.

The table is case x tool. What a tool cannot see is in `BLIND`, with the reason, and is a claim as well: the test demands
that the tool accepts there, so that a cell says neither too much nor too little.
"""

import base64
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

import quarter
import tools
from desk import (
    EVIDENCE_FILE, Authority, Desk, about_other_bytes, added_hash, changed_evidence, changed_root, changed_statement,
    dropped_evidence, extra_evidence, forge, index_of_another, maker, other_fingerprint, resealed_root, suffix_on_zip,
    swapped,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = {
    "ssh-keygen": tools.ssh_keygen,
    "openssl and sha256sum": tools.openssl_and_sha256sum,
    "openssl ts": tools.openssl_ts,
    "bagit.py": tools.bagit_py,
    "securesystemslib": tools.securesystemslib,
    "pyca/cryptography": tools.pyca,
    "@sigstore/verify": tools.sigstore,
    "page in Chromium": "chromium",
    "page in Firefox": "firefox",
}


# --- the forgeries that are only here --------------------------------------------------------------------------------


def envelope_of(desk, change, number=0):
    """Another Sigstore bundle, spelled as ours are."""
    path = desk.path(number, ".sigstore.json")
    bundle = json.loads(path.read_text(encoding="utf-8"))
    change(bundle)
    path.write_text(json.dumps(bundle, separators=(",", ":")) + "\n", encoding="utf-8")


def timestamps(bundle):
    return bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]


def payload_type_changed(desk):
    def change(bundle):
        bundle["dsseEnvelope"]["payloadType"] = "application/vnd.in-toto.json"
    envelope_of(desk, change)


def signed_by_the_log_key(desk):
    """The log key signs the statement under the id of the evidence key."""
    def change(bundle):
        message = maker.pae(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = maker.b64(maker.LOG.sign(message))
    envelope_of(desk, change)


def of_another_key(desk):
    """A bundle of another signer, whole and good, for somebody who pinned our key."""
    desk.variables["key"] = desk.folder / "other.pub.pem"
    desk.variables["fingerprint"] = maker.WITNESS.id


def token_of_a_stranger(desk):
    """Zip and signature dated by an authority that nobody pinned."""
    date(desk, desk.stranger)


def token_of_other_data(desk):
    """The tokens of another day."""
    token = desk.authority.token(b"another day")
    desk.path(0, ".tsr").write_bytes(token)
    envelope_of(desk, lambda bundle: timestamps(bundle)[0].update(signedTimestamp=maker.b64(token)))


def change_tokens(desk, change):
    desk.path(0, ".tsr").write_bytes(change(desk.path(0, ".tsr").read_bytes()))
    envelope_of(desk, lambda bundle: timestamps(bundle)[0].update(
        signedTimestamp=maker.b64(change(base64.b64decode(timestamps(bundle)[0]["signedTimestamp"])))))


def token_with_another_certificate(desk):
    """The certificate in the token says codeSigning (1.3.6.1.5.5.7.3.3) where it said timeStamping (...3.8)."""
    time_stamping = b"\x2b\x06\x01\x05\x05\x07\x03\x08"
    assert time_stamping in desk.path(0, ".tsr").read_bytes()
    change_tokens(desk, lambda token: token.replace(time_stamping, time_stamping[:-1] + b"\x03"))


def token_changed(desk):
    """One bit of the time in both tokens."""
    def other(token):
        start = token.index(b"\x18\x0f20") + 2  # GeneralizedTime
        return token[:start + 13] + bytes([token[start + 13] ^ 1]) + token[start + 14:]
    change_tokens(desk, other)


def ssh_signature_for_another_purpose(desk):
    """Our key signed the zip, for git."""
    about = maker.ssh_string(b"git") + maker.ssh_string(b"") + maker.ssh_string(b"sha512")
    digest = maker.ssh_string(hashlib.sha512(desk.path().read_bytes()).digest())
    signature = maker.ssh_string(b"ssh-ed25519") + maker.ssh_string(maker.EVIDENCE.sign(b"SSHSIG" + about + digest))
    blob = maker.b64(b"SSHSIG\0\0\0\1" + maker.ssh_string(maker.ssh_public()) + about + maker.ssh_string(signature))
    lines = [blob[start:start + 70] for start in range(0, len(blob), 70)]
    text = "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])
    desk.path(0, ".sshsig").write_text(text, encoding="ascii")


def bag_made_anew_without_the_key(desk):
    """Evidence, both manifests and Payload-Oxum changed to agree; the old signature stays."""
    files = {**desk.files(), EVIDENCE_FILE: b"{}\n"}
    data = {path: content for path, content in files.items() if path.startswith("data/")}
    files |= maker.tag_files(desk.path().stem, "2026-10-01T02:00:00Z", data)
    files["tagmanifest-sha256.txt"] = maker.manifest({path: files[path] for path in forge.TAGS})
    desk.rewrite(files)


def about_other_bytes_and_dated(desk):
    """The evidence key signed a statement about another zip, and the authority dated that."""
    about_other_bytes(desk)
    date(desk)


def everything_of_another_day(desk):
    """The third day, whole and good, under the name of the first."""
    for suffix in ("", *forge.SIDECARS):
        desk.path(0, suffix).write_bytes(desk.path(2, suffix).read_bytes())
    date(desk)


# --- the table -------------------------------------------------------------------------------------------------------

OTHER_FILES = "reads other files than the one that was changed"
NOT_THE_ZIP = "looks at the statement, not at the zip"
NOT_THE_STATEMENT = OTHER_FILES
NOT_THE_LOG = OTHER_FILES
NOT_THE_TOKEN = OTHER_FILES
NOT_SSH = OTHER_FILES
NO_KEY = "knows no signature: who rewrites the files rewrites its manifests"
INSIDE = "sees files, not the zip around them"
NO_NAME = "does not compare the name of the file with what was signed"
DATED_TOO = "dates the bytes that are there, and somebody had these dated"
OWN_CERTIFICATE = "takes the authority's certificate from its trust root and leaves the one in the token alone"
STATEMENT_TOOLS = ("securesystemslib", "@sigstore/verify")
PAGES = ("page in Chromium", "page in Firefox")


def all_but(*seeing):
    """A reason for each tool that does not see what only `seeing` see."""
    why = {
        "ssh-keygen": NOT_THE_STATEMENT, "openssl and sha256sum": NOT_THE_TOKEN, "openssl ts": NOT_THE_LOG,
        "bagit.py": INSIDE, "securesystemslib": NOT_THE_LOG, "pyca/cryptography": NOT_THE_TOKEN,
        "@sigstore/verify": NOT_THE_LOG, **dict.fromkeys(PAGES, NOT_THE_TOKEN),
    }
    return {tool: reason for tool, reason in why.items() if tool not in seeing}


BY_HAND = ("openssl and sha256sum", "pyca/cryptography")
# Each case: what is changed, and which tools cannot see it, with the reason.
CASES = [
    (changed_evidence, dict.fromkeys(STATEMENT_TOOLS, NOT_THE_ZIP)),
    (bag_made_anew_without_the_key, {**dict.fromkeys(STATEMENT_TOOLS, NOT_THE_ZIP), "bagit.py": NO_KEY}),
    (extra_evidence, dict.fromkeys(STATEMENT_TOOLS, NOT_THE_ZIP)),
    (dropped_evidence, dict.fromkeys(STATEMENT_TOOLS, NOT_THE_ZIP)),
    (suffix_on_zip, {**dict.fromkeys(STATEMENT_TOOLS, NOT_THE_ZIP), "bagit.py": INSIDE}),
    (everything_of_another_day, {
        **dict.fromkeys(STATEMENT_TOOLS, NO_NAME), "ssh-keygen": NO_NAME, "openssl ts": DATED_TOO}),
    (of_another_key, {"ssh-keygen": "takes its key from allowed_signers, which is not what was changed here",
                      "openssl ts": "knows no key of ours", "bagit.py": NO_KEY}),
    (other_fingerprint, {**all_but("openssl and sha256sum", "pyca/cryptography", *PAGES),
                         **{tool: "is given the key, not its fingerprint" for tool in
                            ("ssh-keygen", "openssl ts", "bagit.py", *STATEMENT_TOOLS)}}),
    (changed_statement, {"ssh-keygen": NOT_THE_STATEMENT, "openssl ts": "dates the signature, not what it signs", "bagit.py": INSIDE}),
    (payload_type_changed, {"ssh-keygen": NOT_THE_STATEMENT, "openssl ts": "dates the signature, not what it signs",
                            "bagit.py": INSIDE,
                            "openssl and sha256sum": "checks with the type that there must be, and never reads the one that is there"}),
    (signed_by_the_log_key, {"ssh-keygen": NOT_THE_STATEMENT, "bagit.py": INSIDE}),
    (about_other_bytes_and_dated, {"ssh-keygen": NOT_THE_STATEMENT, "bagit.py": INSIDE, "openssl ts": DATED_TOO,
                                   **dict.fromkeys(STATEMENT_TOOLS, NOT_THE_ZIP)}),
    (swapped(".sigstore.json"), {"ssh-keygen": NOT_THE_STATEMENT, "bagit.py": INSIDE, "openssl ts": DATED_TOO,
                                 **dict.fromkeys(STATEMENT_TOOLS, NOT_THE_ZIP)}),
    (swapped(".tlog-proof"), all_but(*BY_HAND, *PAGES)),
    (changed_root, all_but(*BY_HAND, *PAGES)),
    (index_of_another, all_but(*BY_HAND, *PAGES)),
    (resealed_root, all_but(*BY_HAND, *PAGES)),
    (added_hash, all_but(*BY_HAND, *PAGES)),
    (swapped(".sshsig"), {**all_but("ssh-keygen", *PAGES), **dict.fromkeys(BY_HAND, NOT_SSH)}),
    (ssh_signature_for_another_purpose, {**all_but("ssh-keygen", *PAGES), **dict.fromkeys(BY_HAND, NOT_SSH)}),
    (token_of_a_stranger, all_but("openssl ts", "@sigstore/verify")),
    (token_of_other_data, all_but("openssl ts", "@sigstore/verify")),
    (token_with_another_certificate, {**all_but("openssl ts"), "@sigstore/verify": OWN_CERTIFICATE}),
    (token_changed, all_but("openssl ts", "@sigstore/verify")),
]


def program():
    built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug" / "evidenced"
    assert built.exists(), "build the program first: cargo build"
    return built


def date(desk, authority=None, number=0):
    """Both tokens: over the zip, and over the signature of the statement."""
    authority = authority or desk.authority
    desk.path(number, ".tsr").write_bytes(authority.token(desk.path(number).read_bytes()))

    def change(bundle):
        signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] = [
            {"signedTimestamp": maker.b64(authority.token(signature))}]
    envelope_of(desk, change, number)


@pytest.fixture(scope="session")
def trusted(tmp_path_factory):
    """An authority, a stranger, and a trust root that our program made about the first and the keys of the vectors."""
    folder = tmp_path_factory.mktemp("trusted")
    authority, stranger = Authority(folder / "tsa"), Authority(folder / "stranger")
    chain = [(authority.folder / name).read_bytes() for name in ("tsa.pem", "root.pem")]
    (folder / "tsa.pem").write_bytes(b"".join(chain))
    (folder / "evidence.pub.pem").write_text(forge.EVIDENCE_PEM, encoding="ascii")
    (folder / "log.pub.pem").write_text(forge.LOG_PEM, encoding="ascii")
    (folder / "holder.key.pem").touch(0o600)
    for arguments in (
        ["openssl", "genpkey", "-algorithm", "ED25519", "-out", "holder.key.pem"],
        ["openssl", "pkey", "-in", "holder.key.pem", "-pubout", "-out", "holder.pub.pem"],
        [program(), "trust", "init", "--dir", "trust", "--threshold", "1", "--holder", "Holder=holder.pub.pem", "--evidence",
         "evidence.pub.pem", "--log", f"{maker.ORIGIN}=log.pub.pem", "--tsa", "tsa.pem", "--from", "2026-10-01T00:00:00Z"],
        [program(), "trust", "sign", "--dir", "trust", "--key", "holder.key.pem"],
    ):
        subprocess.run(arguments, cwd=folder, check=True, capture_output=True)
    return folder, authority, stranger


@pytest.fixture
def desk(tmp_path, trusted):
    """The vectors, the first and the third dated."""
    made = Desk(tmp_path)
    folder, made.authority, made.stranger = trusted
    made.trust = folder / "trust"
    made.variables["tsa_root"] = made.authority.folder / "root.pem"
    date(made)
    date(made, number=2)
    return made


@pytest.fixture(params=TOOLS)
def tool(request):
    found = TOOLS[request.param]
    if request.param == "@sigstore/verify":
        request.getfixturevalue("npm_packages")
    judge = tools.page_in(request.getfixturevalue(found)) if isinstance(found, str) else found
    return request.param, judge


def test_the_good_bundle_is_accepted(desk, tool):
    assert tool[1](desk)


@pytest.mark.parametrize("forgery, blind", CASES, ids=[forgery.__name__ for forgery, _ in CASES])
def test_a_forgery_is_refused_by_each_tool_that_can_see_it(desk, tool, forgery, blind):
    name, judge = tool
    forgery(desk)
    assert judge(desk) == (name in blind), f"{name}: {blind.get(name, 'should refuse')}"


def test_somebody_sees_each_forgery():
    assert all(set(blind) < set(TOOLS) for _, blind in CASES)


# --- the table in the documents --------------------------------------------------------------------------------------


def table():
    """CASES as Markdown: a letter stands for the reason why a tool cannot see the forgery."""
    letters = {}
    head = ["what was changed", *(f"`{tool}`" if " " not in tool else tool for tool in TOOLS)]
    lines = [head, ["---"] * len(head)]
    for forgery, blind in CASES:
        name = forgery.__name__.replace("swapped.", "swapped .").replace("_", " ")
        cells = [f"{letters.setdefault(blind[tool], chr(97 + len(letters)))}" if tool in blind else "refused" for tool in TOOLS]
        lines.append([name, *cells])
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return rows + "\n" + "".join(f"- {letter}: {reason}\n" for reason, letter in letters.items())


def test_the_document_has_this_table():
    assert table() in (ROOT / "docs" / "VERIFY.md").read_text(encoding="utf-8"), table()


# --- a period, in both browsers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
@pytest.mark.parametrize("forged", [False, True], ids=["good", "forged"])
def test_a_period_is_judged_alike_in_every_browser(request, tmp_path, browser, forged):
    slots = [(slot, "complete") for slot in quarter.days("2026-07-01", "2026-07-05")]
    made = quarter.period(slots, "2026-07-01", "2026-07-05", "week")
    if forged:
        made["files"][f"data/bundles/{made['made'][2]['id']}.zip"] += b"x"
    verifier = request.getfixturevalue(browser)()
    verifier.tab.choose("#files", [quarter.write(tmp_path, made)])
    verifier.tab.wait("keys.root && document.body.dataset.state === 'done'")
    verifier.tab.fill("#typed-root", quarter.trust_root()[1])
    sheet = verifier.sheets()[0]
    assert (sheet["result"], sheet.get("failed")) == (("not-genuine", "bundles") if forged else ("genuine", None))
    verifier.tab.close()
