"""deploy/build-binary tells the compilers to leave every path of this machine out, whatever the paths are.

A cargo of the test's own writes down what it was told and makes a small program. That two real builds in two places are
the same bytes takes an hour, and is in docs/AUDITOR.md.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARGO = """#!/bin/sh
[ "$1" = build ] || exit 0
printf '%s' "$CARGO_ENCODED_RUSTFLAGS" | tr '\\037' '\\n' > "$TOLD.rust"
printf '%s' "$CFLAGS" | tr ' ' '\\n' > "$TOLD.c"
target=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$CARGO_TARGET_DIR/$target/release"
echo 'int main(void) { return 0; }' | cc $HOW -x c -o "$CARGO_TARGET_DIR/$target/release/evidenced" -
"""


@pytest.fixture
def place(tmp_path):
    """A checkout, a cargo home that is a link, and a target: each with a name of its own."""
    checkout, real, link = tmp_path / "a checkout".replace(" ", "-"), tmp_path / "real-home", tmp_path / "home"
    (checkout / "deploy").mkdir(parents=True)
    shutil.copy(ROOT / "deploy/build-binary", checkout / "deploy/build-binary")
    (real / "registry/src/index.example-0123").mkdir(parents=True)
    link.symlink_to(real)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "cargo").write_text(CARGO, encoding="utf-8")
    (tools / "cargo").chmod(0o755)
    return checkout, link, real, tools


def build(place, folder, how="-static"):
    checkout, link, _, tools = place
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CARGO_", "EVIDENCED_"))}
    env |= {"PATH": f"{tools}:{env['PATH']}", "CARGO_HOME": str(link), "TOLD": str(folder / "told"), "HOW": how,
            "EVIDENCED_IMAGE_TARGET": str(folder / "target")}
    done = subprocess.run([checkout / "deploy/build-binary"], env=env, capture_output=True, text=True, check=False)
    return done


def test_checkout_target_and_crates_are_told_by_other_names_through_links_too(place, tmp_path):
    done = build(place, tmp_path)
    assert done.returncode == 0, done.stderr
    assert pathlib.Path(done.stdout.strip().splitlines()[-1]).parent.name == "release"
    checkout, link, real, _ = place
    wanted = [
        (checkout, "/src"), (tmp_path / "target", "/target"), (link / "registry/src/index.example-0123", "/crates"),
        (real / "registry/src/index.example-0123", "/crates"),
    ]
    rust = (tmp_path / "told.rust").read_text(encoding="utf-8").splitlines()
    c = (tmp_path / "told.c").read_text(encoding="utf-8").splitlines()
    for path, name in wanted:
        assert f"--remap-path-prefix={path}={name}" in rust, rust
        assert f"-ffile-prefix-map={path}={name}" in c, c
    assert any(flag.endswith("=/toolchain") for flag in rust)
    # The last that fits wins: a target below the checkout is still the target.
    order = [flag.rsplit("=", 1)[1] for flag in rust if flag.startswith("--remap")]
    assert order.index("/target") > order.index("/src")


def test_two_places_are_told_the_same_but_for_the_places(place, tmp_path):
    told = []
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        assert build(place, tmp_path / name).returncode == 0
        text = (tmp_path / name / "told.rust").read_text(encoding="utf-8")
        told.append(text.replace(str(tmp_path / name), "PLACE"))
    assert told[0] == told[1]


def test_a_program_that_needs_a_shared_library_is_refused(place, tmp_path):
    done = build(place, tmp_path, how="")
    assert done.returncode == 1 and "needs a shared library" in done.stderr
