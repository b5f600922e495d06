"""The image: what is in it, that two builds are one, and that it runs as ECS would run it.

Needs root (mounts, owners), buildah, and the static release program: `deploy/build-binary` makes it in target/image,
which takes ten minutes and more the first time; EVIDENCED_STATIC names one that is there already.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from oci import Image

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEPLOY = ROOT / "deploy"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and owners of files: root only")


@pytest.fixture(scope="module")
def static():
    """The program of the image."""
    given = os.environ.get("EVIDENCED_STATIC")
    if given:
        return given
    built = subprocess.run([DEPLOY / "build-binary"], check=True, stdout=subprocess.PIPE, text=True)
    return built.stdout.strip().splitlines()[-1]


def build(static, out, *arguments, **env):
    return subprocess.run(
        [DEPLOY / "build-image", "--out", out, *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"EVIDENCED_STATIC": static} | env,
    )


@pytest.fixture(scope="module")
def built(static, tmp_path_factory):
    out = tmp_path_factory.mktemp("image")
    made = build(static, out)
    assert made.returncode == 0, made.stderr
    digest, bill = made.stdout.split()
    image = Image(out / "image", "evidenced")
    assert image.digest == digest
    return image, pathlib.Path(bill)


def test_two_builds_have_one_digest_and_one_bill(built, static, tmp_path):
    image, bill = built
    again = build(static, tmp_path)
    assert again.stdout.split()[0] == image.digest
    assert (tmp_path / "evidenced.cdx.json").read_bytes() == bill.read_bytes()


def test_the_image_holds_the_program_the_authorities_a_folder_and_nothing_else(built):
    entries = built[0].entries()
    files = {path for path, it in entries.items() if not it.isdir()}
    assert files == {"/evidenced", "/etc/ssl/certs/ca-certificates.crt"}
    assert {(it.uid, it.mtime) for it in entries.values() if not it.isdir()} == {(0, 0)}
    spool = entries["/var/lib/evidenced"]
    assert (spool.uid, spool.gid, spool.mode & 0o777) == (65532, 65532, 0o755)
    writable = [path for path, it in entries.items() if it.uid != 0 or it.mode & 0o7022]
    assert writable == ["/var/lib/evidenced"], "nothing else is the user's, setuid, or everybody's to write"


def test_the_configuration_of_the_image_is_that_of_the_task(built):
    config = built[0].config["config"]
    assert config["User"] == "65532:65532" and config["Entrypoint"] == ["/evidenced"] and config["Cmd"] == ["run"]
    assert set(config["Volumes"]) == {"/var/lib/evidenced"} and config["StopSignal"] == "SIGTERM"
    assert "EVIDENCED_CONFIG=/etc/evidenced/evidenced.toml" in config["Env"]
    assert built[0].config["created"].startswith("1970-01-01")


def test_the_program_is_static_and_names_no_path_of_this_machine(built, static):
    headers = subprocess.run(["readelf", "-ldW", static], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" not in headers and "INTERP" not in headers
    program = pathlib.Path(static).read_bytes()
    home = os.environ.get("CARGO_HOME") or str(pathlib.Path.home() / ".cargo")
    for path in (str(ROOT), f"{home}/registry"):
        assert path.encode() not in program, path


def test_the_bill_of_materials_is_valid_and_lists_what_is_linked(built, tools, tmp_path):
    bill = json.loads(built[1].read_text(encoding="utf-8"))
    check = tmp_path / "check.py"
    check.write_text(
        "import sys\nfrom cyclonedx.schema import SchemaVersion\nfrom cyclonedx.validation.json import JsonStrictValidator\n"
        "error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())\n"
        "sys.exit(str(error) if error else 0)\n", encoding="utf-8",
    )
    judged = tools.run("python", check, built[1])
    assert judged.returncode == 0, judged.stderr
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(bill | {"components": [{"name": "x"}]}), encoding="utf-8")
    assert tools.run("python", check, broken).returncode != 0
    names = {it["name"] for it in bill["components"]}
    assert {"aws-sdk-ec2", "rustls", "ed25519-dalek", "evidenced-core", "/evidenced"} <= names
    assert not names & {"evidenced-simcloud", "trycmd", "proptest", "cc", "serde_derive"}
    crates = [it for it in bill["components"] if it["type"] == "library" and not it["name"].startswith("evidenced")]
    assert all(it["licenses"] and it["hashes"] for it in crates) and len(crates) > 150
    references = {it["bom-ref"] for it in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {it for entry in bill["dependencies"] for it in entry["dependsOn"]} <= references


def test_hadolint_and_checkov_have_nothing_to_say(tools):
    files = [DEPLOY / "Dockerfile", DEPLOY / "Dockerfile.config"]
    judged = tools.run("hadolint", *files)
    assert judged.returncode == 0, judged.stdout
    found = tools.run("hadolint", "-", stdin="FROM debian\nRUN cd /tmp && apt-get install gcc\n")
    assert found.returncode != 0 and "DL3006" in found.stdout
    arguments = [argument for path in files for argument in ("-f", path)]
    judged = tools.run("checkov", "--skip-download", "--framework", "dockerfile", "-o", "json", *arguments)
    results = json.loads(judged.stdout)["results"]
    assert results["failed_checks"] == []
    assert all(len(it["check_result"]["suppress_comment"]) > 20 for it in results["skipped_checks"])


def test_a_private_key_is_not_put_into_an_image(static, tmp_path):
    config = tmp_path / "config"
    (config / "keys").mkdir(parents=True)
    (config / "evidenced.toml").write_text("scope = 1\n", encoding="utf-8")
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519"], capture_output=True, check=True).stdout
    (config / "keys/evidence.key.pem").write_bytes(key)
    refused = build(static, tmp_path / "out", "--config", config)
    assert refused.returncode == 2 and "a private key has no place in an image" in refused.stderr


def test_a_configuration_that_the_program_refuses_makes_no_image(static, tmp_path):
    config = tmp_path / "config"
    config.mkdir()
    (config / "evidenced.toml").write_text('scope = "Prod"\n', encoding="utf-8")
    refused = build(static, tmp_path / "out", "--config", config)
    assert refused.returncode == 2 and "scope" in refused.stderr
    assert "configured" not in (tmp_path / "out/image/index.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(static, tmp_path_factory):
    """What the container did, in a network and a mount namespace of its own."""
    folder = tmp_path_factory.mktemp("container")
    ran = subprocess.run(
        ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, HERE / "container.py", folder, static],
        capture_output=True, text=True, check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_the_container_collects_into_a_bucket(run):
    assert run["collect"]["code"] == 0, run["collect"]["err"]
    assert any(key.endswith(".zip") for key in run["keys"])
    assert any("/trust/root-v1.dsse.json" in key for key in run["keys"])


def test_the_container_checks_its_own_setting(run):
    """`doctor` says what it found; what the emulated AWS lacks is no failure of the container."""
    assert run["doctor"]["code"] in (0, 6), run["doctor"]["err"]
    assert "panicked" not in run["doctor"]["err"]


def test_acceptance_finds_the_user_the_root_and_the_volume_as_the_task_has_them(run):
    found = {it["check"]: it for it in run["acceptance"]["checks"]}
    for name in ("user", "read-only-root", "spool", "clock", "write", "read"):
        assert found[name]["verdict"] == "pass", found[name]
    assert found["user"]["observed"] == "65532" and found["read-only-root"]["observed"] == "the file system is read-only"
    assert run["acceptance"]["imageDigest"] == run["digest"]


def test_the_service_runs_as_nobody_without_capabilities(run):
    process = run["process"]
    assert set(process["Uid"].split()) == set(process["Gid"].split()) == {"65532"}
    assert int(process["CapEff"], 16) == 0 and int(process["CapBnd"], 16) == 0
    assert process["NoNewPrivs"] == "1" and process["Groups"].strip() == ""


def test_the_service_is_healthy_and_ends_on_sigterm(run):
    assert run["health"]["code"] == 0, run["health"]["err"]
    assert run["service"]["code"] == 0, run["service"]["err"]
    assert run["stop_seconds"] < 30


def test_nothing_is_written_but_in_the_volume(run):
    assert run["root_write"] == "Read-only file system"
    assert any(path.startswith("spool") for path in run["files_written"])


def test_size_and_start_are_small(run, built, record_property, static):
    figures = {
        "image, compressed MiB": built[0].size() / 2**20, "program MiB": pathlib.Path(static).stat().st_size / 2**20,
        "first answer s": run["start_seconds"], "--version s": run["version"]["seconds"],
        "resident MiB": run["resident_kib"] / 1024, "stop s": run["stop_seconds"],
    }
    for name, value in figures.items():
        record_property(name, value)
        print(f"{name}: {value:.2f}")
    assert figures["image, compressed MiB"] < 40 and figures["first answer s"] < 20
