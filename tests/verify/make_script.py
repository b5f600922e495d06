"""Makes verify.sh out of the blocks of docs/VERIFY.md: each ```sh block with a name becomes a function of that name.

    python3 make_script.py > verify.sh
"""

import pathlib
import re
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "VERIFY.md"
HEAD = """\
#!/bin/sh
# The commands of docs/VERIFY.md, word for word; made by make_script.py, do not edit.
#
#     zip=... key=... fingerprint=... origin=... log_key=... tsa_root=... folder=... verify.sh STEP...
#
# Runs the steps in the order given and stops at the first that fails: 0 only if all passed. Each step is one chain of
# commands with &&: "set -e" would be switched off inside a function that somebody asks for its status.
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT || exit 2
"""
TAIL = """
[ $# -gt 0 ] || { echo "usage: verify.sh STEP..." >&2; exit 2; }
for step in "$@"; do
  case $step in
  %s) ;;
  *) echo "no step: $step" >&2; exit 2 ;;
  esac
  if "step_$(printf %%s "$step" | tr - _)"; then echo "ok      $step"; else echo "FAILED  $step"; exit 1; fi
done
"""


def blocks():
    """Name to commands, in the order of the document."""
    found = re.findall(r"^```sh ([a-z-]+)\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.S | re.M)
    assert len({name for name, _ in found}) == len(found)
    return dict(found)


def script():
    steps = blocks()
    parts = [f"\nstep_{name.replace('-', '_')}() {{\n{commands}}}\n" for name, commands in steps.items()]
    return HEAD + "".join(parts) + TAIL % " | ".join(steps)


if __name__ == "__main__":
    sys.stdout.write(script())
