"""What is exported is what the bundle says, in the form that each ecosystem's own tool takes."""

import collections
import json
import types
import uuid

import pytest

from conftest import HOSTILE, export

MARKED = "=+-@\t\r\n'"


def undone(text):
    """The value of a field: one apostrophe in front is the mark."""
    return text.removeprefix("'")


def results(exported):
    text = exported["oscal-assessment-results.json"].read_text(encoding="utf-8")
    return json.loads(text)["assessment-results"]


def prop(value, name):
    return next((it["value"] for it in value["props"] if it["name"] == name), None)


def verdict(row):
    return "excepted" if "exception" in row else row["verdict"]


# CSV

def test_tables_are_rfc_4180(exported):
    for name in ("findings", "population", "coverage"):
        text = exported[f"{name}.csv"].read_bytes()
        assert not text.startswith(b"\xef\xbb\xbf")
        assert text.endswith(b"\r\n")
        assert text.decode("utf-8").count("\r\n") == text.decode("utf-8").count("\n"), name


def test_no_field_is_a_formula(tables):
    for name, table in tables.items():
        for row in table:
            bad = [field for field in row.values() if field[:1] in set(MARKED) - {"'"}]
            assert bad == [], name


def test_hostile_names_survive(tables):
    names = {undone(row["resource_name"]) for row in tables["population"] if row["resource_type"] == "AWS::EC2::VPC"}
    assert set(HOSTILE) <= names


def account(row):
    """The id of a row's account: what is in front of the name."""
    return row["account"].split(" ", 1)[0]


def test_accounts_are_text_that_begins_with_twelve_digits(tables):
    for name, table in tables.items():
        for row in table:
            assert len(account(row)) == 12 and account(row).isdigit(), name
            # No spreadsheet takes it for a number.
            assert len(row["account"]) > 13, name


def test_findings_are_the_rows_of_the_bundle(tables, rows):
    table = collections.Counter(
        (account(it), it["region"], it["check_id"], undone(it["resource_id"]), it["status"])
        for it in tables["findings"]
    )
    assert table == collections.Counter(
        (it["account"], it["region"], it["check"], it.get("resource", ""), verdict(it)) for it in rows
    )


def test_every_pointer_of_a_finding_leads_into_the_evidence(contents, tables):
    documents, pointed = {}, 0
    for row in tables["findings"]:
        for part in filter(None, row["evidence"].split("; ")):
            name, pointers = part.split("#", 1)
            name = name if "/" in name else f"{row['region']}/{name}"
            file = f"data/evidence/{account(row)}/{name}.json"
            if file not in documents:
                documents[file] = json.loads(contents[file])
            for pointer in pointers.split(" "):
                value = documents[file]
                for step in pointer.split("/")[1:]:
                    value = value[int(step) if isinstance(value, list) else step.replace("~1", "/").replace("~0", "~")]
                pointed += 1
    assert pointed > 100


def test_the_population_has_every_counted_resource_once(contents, tables):
    run = json.loads(contents["data/run.json"])
    listed = [(it["account"], it["region"], it["resource_type"], it["resource_id"]) for it in tables["population"]]
    assert len(set(listed)) == len(listed)
    by_file = collections.Counter(
        f"data/evidence/{account(it)}/{it['region']}/{it['evidence'].split('#')[0]}.json"
        for it in tables["population"] if it["resource_id"]
    )
    for cell in run["cells"]:
        # Reservations are counted in the run, and instances are the population.
        if cell.get("resources") and cell["item"] != "ec2.instances":
            assert by_file[cell["file"]] >= cell["resources"], cell["file"]


def test_every_resource_that_was_judged_is_in_the_population(tables):
    known = {undone(it["resource_id"]) for it in tables["population"]}
    judged = {
        undone(it["resource_id"]) for it in tables["findings"]
        if it["resource_id"] and not it["check_id"].startswith("config_")
    }
    assert judged <= known


def test_coverage_has_every_cell(contents, tables):
    run = json.loads(contents["data/run.json"])
    cells = [(it["account"], it["region"], it["item"], it["status"]) for it in run["cells"]]
    assert [(account(it), it["region"], it["item"], it["status"]) for it in tables["coverage"]] == cells


def test_a_byte_order_mark_only_when_it_is_asked_for(bundle, tmp_path, exported):
    export(bundle, "csv", tmp_path, (0,), "--bom")
    with_mark = next(tmp_path.glob("*.findings.csv")).read_bytes()
    assert with_mark == b"\xef\xbb\xbf" + exported["findings.csv"].read_bytes()


# OSCAL

@pytest.mark.parametrize(("kind", "name"), [
    ("assessment-results", "oscal-assessment-results.json"), ("catalog", "oscal-catalog.json"),
])
def test_trestle_takes_it(validator, exported, kind, name):
    done = validator("validate_oscal.py", kind, exported[name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VALID" in done.stdout


def test_trestle_refuses_what_is_wrong(validator, exported, tmp_path):
    document = {"assessment-results": results(exported)}
    document["assessment-results"]["results"][0]["findings"][0]["target"]["status"]["state"] = "perhaps"
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert validator("validate_oscal.py", "assessment-results", file).returncode != 0


def test_every_control_is_in_the_catalog(exported):
    catalog = json.loads(exported["oscal-catalog.json"].read_text(encoding="utf-8"))["catalog"]
    controls = [control for group in catalog["groups"] for control in group["controls"]]
    known = {control["id"] for control in controls} | {part["id"] for it in controls for part in it["parts"]}
    result = results(exported)["results"][0]
    used = {it["target"]["target-id"] for it in result["findings"]}
    for selection in result["reviewed-controls"]["control-selections"]:
        used |= {it["control-id"] for it in selection["include-controls"]}
    assert used and used <= known


def test_every_row_is_an_observation_with_its_evidence(exported, rows, contents):
    document = results(exported)
    result = document["results"][0]
    resources = {it["uuid"]: it for it in document["back-matter"]["resources"]}
    assert len(result["observations"]) == len(rows)
    assert collections.Counter(prop(it, "verdict") for it in result["observations"]) == collections.Counter(
        map(verdict, rows)
    )
    digests = dict(reversed(line.split("  ", 1)) for line in contents["manifest-sha256.txt"].decode().splitlines())
    pointed = 0
    for observation in result["observations"]:
        for evidence in observation.get("relevant-evidence", []):
            link = resources[evidence["href"].removeprefix("#")]["rlinks"][0]
            assert link["hashes"] == [{"algorithm": "SHA-256", "value": digests[link["href"]]}]
            pointed += 1
    assert pointed > 100


def test_ids_are_those_that_anybody_can_compute(exported):
    document = results(exported)
    result = document["results"][0]
    run = prop(result, "run-id")
    space = uuid.uuid5(uuid.NAMESPACE_URL, "urn:evidenced")
    assert document["uuid"] == str(uuid.uuid5(space, f"assessment-results\n{run}"))
    for item in result["local-definitions"]["inventory-items"]:
        parts = ["subject", run, prop(item, "account-id"), prop(item, "region"), prop(item, "resource-id") or ""]
        assert item["uuid"] == str(uuid.uuid5(space, "\n".join(parts)))


def test_references_inside_lead_somewhere(exported):
    result = results(exported)["results"][0]
    subjects = {it["uuid"] for it in result["local-definitions"]["inventory-items"]}
    observed = {it["uuid"]: prop(it, "verdict") for it in result["observations"]}
    risks = {it["uuid"] for it in result.get("risks", [])}
    assert len(observed) == len(result["observations"])
    for observation in result["observations"]:
        assert observation["subjects"][0]["subject-uuid"] in subjects
    for finding in result["findings"]:
        verdicts = {observed[it["observation-uuid"]] for it in finding["related-observations"]}
        satisfied = finding["target"]["status"]["state"] == "satisfied"
        assert satisfied == ("pass" in verdicts and not verdicts & {"fail", "unknown", "excepted"})
        assert {it["risk-uuid"] for it in finding.get("related-risks", [])} <= risks


# OCSF

def test_every_line_is_a_compliance_finding_and_nothing_is_lost(validator, exported, rows):
    done = validator("validate_ocsf.py", exported["ocsf.jsonl"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) == len(rows)


def test_a_field_that_is_not_of_the_class_is_noticed(validator, exported, tmp_path):
    line = json.loads(exported["ocsf.jsonl"].read_text(encoding="utf-8").split("\n", 1)[0])
    line["compliance"]["status"] = "fail"
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")
    done = validator("validate_ocsf.py", file)
    assert done.returncode != 0 and "changed on the way" in done.stderr


def test_ocsf_has_the_verdicts_of_the_bundle(exported, rows):
    lines = [json.loads(it) for it in exported["ocsf.jsonl"].read_text(encoding="utf-8").splitlines()]
    assert collections.Counter(it["status_code"] for it in lines) == collections.Counter(map(verdict, rows))
    assert len({it["finding_info"]["uid"] for it in lines}) == len(lines)
    numbers = {"pass": 1, "unknown": 2, "fail": 3, "excepted": 3, "not-applicable": 99}
    assert all(it["compliance"]["status_id"] == numbers[it["status_code"]] for it in lines)


# what is refused

def test_what_is_not_genuine_is_not_exported(bundle, tmp_path):
    forged = tmp_path / bundle.path.name
    bytes_ = bytearray(bundle.path.read_bytes())
    bytes_[len(bytes_) // 2] ^= 1
    forged.write_bytes(bytes_)
    wrong = types.SimpleNamespace(path=forged, key=bundle.key)
    export(wrong, "csv", tmp_path / "out", (5,))
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(bundle, tmp_path):
    export(bundle, "ocsf", tmp_path)
    before = next(tmp_path.iterdir()).read_bytes()
    export(bundle, "ocsf", tmp_path, (2,))
    assert next(tmp_path.iterdir()).read_bytes() == before


def test_the_same_bundle_gives_the_same_bytes(bundle, exported, tmp_path):
    for form in ("csv", "oscal", "ocsf"):
        export(bundle, form, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == exported[path.name.split(".", 1)[1]].read_bytes()
