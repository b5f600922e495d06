"""The source of axe-core, the accessibility checker."""

import importlib.util
import pathlib
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).resolve().parent / "requirements.txt"


def source(folder):
    """Of the environment, else fetched into the folder by its pin."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec:
        return (pathlib.Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--target", folder, "--requirement", REQUIREMENTS], check=True)
    return (folder / "axe_playwright_python" / "axe.min.js").read_text(encoding="utf-8")
