"""Runs in the validators' environment: trestle imports and validates one OSCAL document, without a network.

`validate_oscal.py KIND FILE`: prints what trestle said; its exit code is this one's.
"""

import contextlib
import io
import pathlib
import shutil
import socket
import sys
import tempfile


def refuse(*_):
    raise OSError("the validators have no network")


socket.socket.connect = refuse

from trestle.cli import Trestle  # noqa: E402


def trestle(*arguments):
    sys.argv = ["trestle", *map(str, arguments)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = Trestle().run()
    return code, said.getvalue()


def main(kind, file):
    file = pathlib.Path(file).resolve()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        # Trestle imports from outside its workspace only.
        outside = pathlib.Path(folder) / "outside.json"
        shutil.copyfile(file, outside)
        workspace = pathlib.Path(folder) / "workspace"
        workspace.mkdir()
        with contextlib.chdir(workspace):
            for step in (
                ("init", "--local"), ("import", "-f", outside, "-o", "run"), ("validate", "-t", kind, "-n", "run"),
            ):
                code, said = trestle(*step)
                print(said, end="")
                if code != 0:
                    return code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
