"""One bundle of an estate with hostile names, exported in every form; the validators in their own environment."""

import csv
import json
import pathlib
import subprocess
import sys
import zipfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path[:0] = [str(TESTS / "emulators"), str(TESTS / "parity"), str(HERE)]

import boto3  # noqa: E402

import collector  # noqa: E402
import emulators  # noqa: E402
import populate  # noqa: E402

REGION = "eu-central-1"
# What people can call a VPC. The last ones are text that only looks like a mark, a number or a line of a table.
HOSTILE = [
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\tTAB", "'quoted", "=HYPERLINK(\"http://x\";\"y\")",
    "a,b;\"c\"", "zwölf 十二", "00123", "</script><img src=x onerror=alert(1)>",
]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    with emulators.moto() as server:
        populate.populate(server.address, [REGION], is_moto=True)
        ec2 = boto3.client(
            "ec2", endpoint_url=server.address, region_name=REGION, aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        for number, name in enumerate(HOSTILE):
            tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": name}]}]
            ec2.create_vpc(CidrBlock=f"10.{100 + number}.0.0/16", TagSpecifications=tags)
        yield collector.collect(tmp_path_factory.mktemp("formats"), server, [REGION])


@pytest.fixture(scope="session")
def exported(bundle, tmp_path_factory):
    """Folder with the files of every form, by the end of their names."""
    folder = tmp_path_factory.mktemp("exported")
    for form in ("csv", "oscal", "ocsf"):
        export(bundle, form, folder)
    return {path.name.split(".", 1)[1]: path for path in folder.iterdir()}


def export(bundle, form, folder, expect=(0,), *more):
    return collector.evidenced(
        "export", bundle.path, "--format", form, "--to", folder, "--key", bundle.key, *more, expect=expect,
    )


@pytest.fixture(scope="session")
def tables(exported):
    """Rows of each table, as Python's csv reads them."""
    read = {}
    for name in ("findings", "population", "coverage"):
        with open(exported[f"{name}.csv"], encoding="utf-8", newline="") as opened:
            read[name] = list(csv.DictReader(opened, strict=True))
    return read


@pytest.fixture(scope="session")
def contents(bundle):
    """Every file of the bundle by its path in it."""
    with zipfile.ZipFile(bundle.path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def rows(contents):
    """Every row of the findings in the bundle, with its place."""
    found = []
    for name, text in contents.items():
        if name.startswith("data/findings/"):
            place = json.loads(text)
            for check in place["checks"]:
                where = {"account": place["account"], "region": place["region"], "check": check["check"]}
                found += [row | where for row in check["rows"]]
    return found


@pytest.fixture(scope="session")
def validator():
    """Runs a script of this folder in the validators' environment, which is made when it is not there."""
    made = subprocess.run([str(HERE / "install")], check=True, stdout=subprocess.PIPE, text=True)
    python = pathlib.Path(made.stdout.splitlines()[-1]) / "bin" / "python"

    def run(script, *arguments):
        return subprocess.run(
            [str(python), str(HERE / script), *map(str, arguments)], capture_output=True, text=True, check=False,
        )

    return run
