"""One browser for the session; a fresh tab with the page for each test."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import forge  # noqa: E402
from browser import Browser  # noqa: E402
from page import assemble  # noqa: E402

CHOSEN = {"evidence": "evidence.pub.pem", "log": "log.pub.pem"}


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


class Verifier:
    """The page as an auditor uses it."""

    def __init__(self, browser, url, folder):
        self.folder = folder
        self.tab = browser.page(url)

    def key(self, purpose, pem, fingerprint="tick"):
        path = self.folder / CHOSEN[purpose]
        path.write_text(pem, encoding="utf-8")
        self.tab.choose(f"#file-{purpose}", [path])
        self.tab.wait(f"keys.{purpose} && document.querySelector('#fingerprint-{purpose}').textContent")
        if fingerprint == "tick":
            self.tab.run(f"document.querySelector('#ticked-{purpose}').click()")
        elif fingerprint:
            self.tab.fill(f"#typed-{purpose}", fingerprint)

    def keys(self):
        self.key("evidence", forge.EVIDENCE_PEM)
        self.key("log", forge.LOG_PEM)

    def files(self, paths):
        """Gives files; what each sheet then says."""
        self.tab.choose("#files", paths)
        return self.sheets()

    def sheets(self):
        self.tab.wait("document.body.dataset.state === 'done'")
        return self.tab.run("""[...document.querySelectorAll("#sheets .sheet")].map((sheet) => ({
            result: sheet.dataset.result, level: sheet.dataset.level, failed: sheet.dataset.failed,
            because: sheet.querySelector(".because").textContent, text: sheet.innerText,
            checks: Object.fromEntries([...sheet.querySelectorAll("[data-check]")].map((line) =>
                [line.dataset.check, line.dataset.state])),
        }))""")

    def zip(self, name, content):
        """Gives one zip of this name and content; what its sheet says."""
        path = self.folder / name
        path.write_bytes(content)
        return self.files([path])[0]


@pytest.fixture
def verifier(browser, page_url, tmp_path):
    made = Verifier(browser, page_url, tmp_path)
    yield made
    made.tab.close()
