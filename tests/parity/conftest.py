"""Servers, their populations and the bundles that the collector makes of them: once for all tests."""

import json
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "emulators"), str(HERE)]

import aws_cli  # noqa: E402
import collector  # noqa: E402
import emulators  # noqa: E402
import populate  # noqa: E402

REGIONS = ["us-east-1", "eu-central-1"]


class Observed:
    """A server that still runs, and the bundle that was collected from it."""

    def __init__(self, server, bundle, roles):
        self.name, self.server, self.bundle, self.roles = server.name, server, bundle, roles


@pytest.fixture(scope="session")
def cli():
    with aws_cli.Cli() as opened:
        yield opened


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    with emulators.moto() as server:
        populate.populate(server.address, REGIONS, is_moto=True)
        yield Observed(server, collector.collect(tmp_path_factory.mktemp("moto"), server, REGIONS), None)


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    with emulators.ministack() as server:
        populate.populate(server.address, REGIONS)
        yield Observed(server, collector.collect(tmp_path_factory.mktemp("ministack"), server, REGIONS), None)


@pytest.fixture(scope="session")
def simcloud(tmp_path_factory):
    with emulators.simcloud("--accounts", 2, "--regions", ",".join(REGIONS), "--seed", 7) as server:
        said = server.said
        accounts = [{"id": ident, "role": said["role_name"]} for ident in said["accounts"]]
        folder = tmp_path_factory.mktemp("simcloud")
        bundle = collector.collect(folder, server, REGIONS, accounts, said["external_id"])
        yield Observed(server, bundle, said)


@pytest.fixture(scope="session")
def strange(tmp_path_factory):
    """The simulated AWS with five entries a page, members that no model knows, and a marker in every secret."""
    folder = tmp_path_factory.mktemp("strange")
    faults = folder / "faults.json"
    faults.write_text(json.dumps([{"effect": "unknown-fields"}]), encoding="utf-8")
    how = ("--regions", REGIONS[0], "--seed", 11, "--page-cap", 5, "--canary", collector.CANARY, "--faults", faults)
    with emulators.simcloud(*how) as server:
        yield Observed(server, collector.collect(folder / "run", server, REGIONS[:1]), None)
