"""The Terraform module: parsed, scanned, formatted where terraform is, and held against the parameters of the templates."""

import json
import re
import shutil
import subprocess

import pytest

import template

MODULE = template.DEPLOY / "terraform"
PARSE = """
import glob, json, sys
import hcl2
print(json.dumps({name.rsplit('/', 1)[1]: hcl2.load(open(name)) for name in sorted(glob.glob(sys.argv[1] + '/*.tf'))}))
"""


@pytest.fixture(scope="module")
def parsed(tools):
    read = tools.run("python", "-c", PARSE, MODULE)
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout)


def stacks(parsed):
    return {name: body for it in parsed["main.tf"]["resource"] for name, body in it["aws_cloudformation_stack"].items()}


def one(value):
    """A value of the parser, which wraps single ones in lists."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@pytest.mark.parametrize("name", ["bucket", "service"])
def test_a_stack_is_given_parameters_that_its_template_has_and_all_that_it_demands(parsed, name):
    stack = stacks(parsed)[name]
    given = set(one(stack["parameters"]))
    known = template.read(name)["Parameters"]
    assert given <= set(known), given - set(known)
    demanded = {key for key, it in known.items() if "Default" not in it}
    assert demanded <= given, demanded - given
    assert f"/{name}.yaml" in json.dumps(stack["template_body"])


def test_every_variable_is_declared_explained_and_used(parsed):
    declared = {name: body for it in parsed["variables.tf"]["variable"] for name, body in it.items()}
    used = set(re.findall(r"var\.(\w+)", (MODULE / "main.tf").read_text(encoding="utf-8")))
    assert set(declared) == used
    assert all(one(body["description"]) and one(body["type"]) for body in declared.values())


def test_outputs_that_are_handed_on_exist(parsed):
    text = (MODULE / "main.tf").read_text(encoding="utf-8")
    for stack, output in re.findall(r'aws_cloudformation_stack\.(\w+)\.outputs\["(\w+)"\]', text):
        assert output in template.read(stack)["Outputs"]


def test_checkov_fails_nothing_but_what_is_skipped_with_a_reason(tools):
    judged = tools.run("checkov", "--skip-download", "--framework", "terraform", "-o", "json", "-d", MODULE)
    found = json.loads(judged.stdout)
    assert found["results"]["failed_checks"] == [] and found["summary"]["parsing_errors"] == 0
    skipped = [(it["check_id"], it["check_result"]["suppress_comment"]) for it in found["results"]["skipped_checks"]]
    assert [check for check, _ in skipped] == ["CKV_AWS_124"] * 2 and all(len(reason) > 20 for _, reason in skipped)


def test_it_is_formatted():
    if not shutil.which("terraform"):
        pytest.skip("terraform is not installed: the module is parsed and scanned, not formatted")
    checked = subprocess.run(["terraform", "fmt", "-check", "-diff", MODULE], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_readme_says_what_is_not_tested():
    assert "neither validated nor planned" in (MODULE / "README.md").read_text(encoding="utf-8")
