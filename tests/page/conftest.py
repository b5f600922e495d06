"""One browser for the session; a fresh tab with the page for each test."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import axe as axe_core  # noqa: E402
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
    return axe_core.source(tmp_path_factory.mktemp("axe"))


@pytest.fixture
def verifier(browser, page_url, tmp_path):
    made = Verifier(browser.page(page_url), tmp_path)
    yield made
    made.tab.close()
