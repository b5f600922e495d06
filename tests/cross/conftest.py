"""What the cross-checks need: two browsers, and npm packages that are installed once, by their lock file."""

import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "page"), str(HERE.parent / "verify")]

from auditor import Verifier  # noqa: E402
from browser import Browser  # noqa: E402
from firefox import Firefox, find_firefox  # noqa: E402
from page import assemble  # noqa: E402


@pytest.fixture(scope="session")
def page_url(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "verify.html"
    path.write_text(assemble(), encoding="utf-8")
    return path.as_uri()


def opened(kind, page_url, tmp_path_factory):
    started = kind()
    try:
        yield lambda: Verifier(started.page(page_url), tmp_path_factory.mktemp("auditor"))
    finally:
        started.close()


@pytest.fixture(scope="session")
def chromium(page_url, tmp_path_factory):
    yield from opened(Browser, page_url, tmp_path_factory)


@pytest.fixture(scope="session")
def firefox(page_url, tmp_path_factory):
    if not find_firefox():
        pytest.skip("Firefox is not installed (Debian: firefox-esr)")
    yield from opened(Firefox, page_url, tmp_path_factory)


@pytest.fixture(scope="session")
def npm_packages():
    """node_modules/ beside the lock file; asks the registry only when it is not there."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("Node.js is not installed (Debian: nodejs, npm)")
    have, want = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    if not have.exists() or have.stat().st_mtime < want.stat().st_mtime:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True, capture_output=True)
