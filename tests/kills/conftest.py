"""A simulated AWS with the smallest estate, and a bucket behind TLS: what a service that is killed works with."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path[:0] = [str(TESTS / "emulators"), str(TESTS / "parity"), str(TESTS / "store"), str(HERE)]

import emulators  # noqa: E402
from bucket import Cloud  # noqa: E402
from tls import certificate  # noqa: E402


@pytest.fixture(scope="session")
def simulated():
    with emulators.simcloud("--regions", "us-east-1") as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    authority, cert, key = certificate(tmp_path_factory.mktemp("tls"))
    with emulators.moto(cert=cert, key=key) as server:
        yield Cloud(server, authority)


FIGURES = []


@pytest.fixture(scope="session")
def figures():
    """Takes lines for the end of the test run."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("kills, quarter, soak: figures")
        for line in FIGURES:
            terminalreporter.write_line(line)
