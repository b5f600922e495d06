"""One browser for the session; a fresh tab with the page for each test."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from auditor import Verifier  # noqa: E402
from browser import Browser  # noqa: E402
from page import assemble  # noqa: E402


@pytest.fixture(scope="session")
def browser():
    started = Browser()
    yield started
    started.close()


@pytest.fixture(scope="session")
def page_url(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "verify.html"
    path.write_text(assemble(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The source of axe-core: of the environment, else fetched by its pin."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec:
        return (pathlib.Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--target", folder, "--requirement", HERE / "requirements.txt"], check=True)
    return (folder / "axe_playwright_python" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def verifier(browser, page_url, tmp_path):
    made = Verifier(browser.page(page_url), tmp_path)
    yield made
    made.tab.close()
