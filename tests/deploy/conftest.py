"""The tools that judge deploy/, in an environment of their own, and the emulators that its stacks are deployed to."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
ROOT = TESTS.parent
sys.path[:0] = [str(TESTS / "emulators"), str(HERE)]

import emulators  # noqa: E402


class Tools:
    """Runs a tool of the environment that tests/deploy/install makes."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, name, *arguments, stdin=None, env=None):
        command = [str(self.folder / "bin" / name), *map(str, arguments)]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return subprocess.run(
            command, cwd=ROOT, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
            text=True, check=False, env=inherited | (env or {}),
        )


@pytest.fixture(scope="session")
def tools():
    made = subprocess.run([HERE / "install"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return Tools(pathlib.Path(made.stdout.strip().splitlines()[-1]))


@pytest.fixture(scope="session")
def ministack():
    with emulators.ministack() as server:
        yield server


@pytest.fixture(scope="session")
def moto():
    with emulators.moto() as server:
        yield server
