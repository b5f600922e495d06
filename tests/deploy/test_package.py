"""The Debian package and its unit: the same twice, nothing of this machine in it, and hardened as far as systemd can say."""

import os
import pathlib
import shutil
import subprocess

import pytest

import emulators

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/debian/evidenced.service"
# Of ten; what is left: the network, which it is for, and IP addresses, which AWS does not promise.
EXPOSURE = 15


def run(*command, **more):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **more)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The static program where it is built, else the debug one without its symbols: the package does not care."""
    given = os.environ.get("EVIDENCED_STATIC")
    if given:
        return given
    stripped = tmp_path_factory.mktemp("program") / "evidenced"
    subprocess.run(["strip", "-o", stripped, emulators.program("evidenced")], check=True)
    return str(stripped)


@pytest.fixture(scope="module")
def package(program, tmp_path_factory):
    out = tmp_path_factory.mktemp("package")
    made = run(ROOT / "deploy/build-deb", "--out", out, env=os.environ | {"EVIDENCED_STATIC": program})
    assert made.returncode == 0, made.stderr
    return pathlib.Path(made.stdout.strip())


def test_two_packages_are_one(package, program, tmp_path):
    again = run(ROOT / "deploy/build-deb", "--out", tmp_path, env=os.environ | {"EVIDENCED_STATIC": program})
    assert pathlib.Path(again.stdout.strip()).read_bytes() == package.read_bytes()


def test_the_package_holds_program_unit_pages_and_nothing_of_etc(package):
    listed = run("dpkg-deb", "--contents", package).stdout.splitlines()
    paths = {line.split()[5].removeprefix(".") for line in listed}
    assert {"/usr/bin/evidenced", "/usr/lib/systemd/system/evidenced.service", "/usr/share/man/man1/evidenced.1.gz",
            "/usr/share/doc/evidenced/AUDITOR.md", "/usr/share/bash-completion/completions/evidenced"} <= paths
    assert not [path for path in paths if path.startswith(("/etc", "/var", "/root", "/home"))]
    assert {line.split()[1] for line in listed} == {"root/root"}
    assert {line.split()[0] for line in listed} == {"drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"}
    assert run("dpkg-deb", "--field", package, "Depends").stdout.strip() == "ca-certificates"


def tags(package, *more):
    """What lintian says: severity and tag of each line that no override answers."""
    judged = run("lintian", "--no-tag-display-limit", "--display-info", *more, package)
    assert "cannot" not in judged.stderr, judged.stderr
    found = [line.split() for line in judged.stdout.splitlines() if line[:2] in ("E:", "W:", "I:")]
    return {(words[0], words[2]) for words in found}, judged.stdout


def test_lintian_finds_nothing_that_is_not_overridden_with_a_reason(package):
    if not shutil.which("lintian"):
        pytest.fail("lintian is not installed: apt-get install lintian, as ./test does")
    found, said = tags(package)
    # A program with shared libraries, as tests have it alone, leaves overrides unused; the static one leaves none.
    wanted = ("E:", "W:", "I:") if os.environ.get("EVIDENCED_STATIC") else ("E:", "W:")
    assert {tag for severity, tag in found if severity in wanted} == set(), said


def test_every_override_answers_a_tag_and_has_a_reason(package):
    lines = (ROOT / "deploy/debian/lintian-overrides").read_text(encoding="utf-8").splitlines()
    for before, line in zip(["", *lines], lines):
        assert line.startswith("#") or before.startswith(("#", "evidenced: bogus-mail-host")), line
    if os.environ.get("EVIDENCED_STATIC"):
        overridden = {line.split()[1] for line in lines if line.startswith("evidenced:")}
        found, _ = tags(package, "--no-override")
        assert overridden <= {tag for _, tag in found}, overridden


def test_lintian_does_find_a_package_without_its_date(program, tmp_path):
    env = os.environ | {"EVIDENCED_STATIC": program, "SOURCE_DATE_EPOCH": "0"}
    made = run(ROOT / "deploy/build-deb", "--out", tmp_path, env=env)
    assert ("E:", "package-contains-ancient-file") in tags(made.stdout.strip())[0]


def test_the_package_runs_nothing_when_it_is_installed(package, tmp_path):
    run("dpkg-deb", "--control", package, tmp_path / "control")
    assert sorted(it.name for it in (tmp_path / "control").iterdir()) == ["control", "md5sums"]


def test_the_program_in_the_package_is_the_one_that_was_given(package, program, tmp_path):
    run("dpkg-deb", "--extract", package, tmp_path)
    assert (tmp_path / "usr/bin/evidenced").read_bytes() == pathlib.Path(program).read_bytes()
    said = run(tmp_path / "usr/bin/evidenced", "--version")
    assert said.stdout.split()[1] == run("dpkg-deb", "--field", package, "Version").stdout.strip()


def directives():
    lines = [line.strip() for line in UNIT.read_text(encoding="utf-8").splitlines()]
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_unit_has_a_user_of_its_own_one_writable_place_and_no_capability():
    unit = directives()
    assert unit["DynamicUser"] == "yes" and unit["ProtectSystem"] == "strict" and unit["ProtectHome"] == "yes"
    assert unit["StateDirectory"] == "evidenced" and "ReadWritePaths" not in unit
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == "" and unit["NoNewPrivileges"] == "yes"
    assert unit["ExecStart"] == "/usr/bin/evidenced run" and unit["Restart"] == "on-failure"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_no_mistake_in_the_unit(program, tmp_path):
    # It asks whether the program is there: a root with it, and with the units that ours names.
    unit = tmp_path / "evidenced.service"
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/usr/bin/evidenced", program), encoding="utf-8")
    judged = run("systemd-analyze", "verify", "--man=no", unit)
    ours = [line for line in judged.stderr.splitlines() if "evidenced.service" in line]
    assert ours == []
    unit.write_text(unit.read_text(encoding="utf-8").replace("DynamicUser=yes", "DynamikUser=yes"), encoding="utf-8")
    assert "DynamikUser" in run("systemd-analyze", "verify", "--man=no", unit).stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_the_unit_hardened(tmp_path):
    judged = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", UNIT)
    if "Failed to" in judged.stderr and "Overall exposure" not in judged.stdout:
        pytest.skip(f"systemd-analyze does not run here: {judged.stderr.strip()}")
    assert judged.returncode == 0, judged.stdout.splitlines()[-1]
    weak = tmp_path / "evidenced.service"
    text = UNIT.read_text(encoding="utf-8").replace("SystemCallFilter=", "#").replace("ProtectSystem=strict", "")
    weak.write_text(text.replace("CapabilityBoundingSet=", "#"), encoding="utf-8")
    assert run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", weak).returncode != 0
