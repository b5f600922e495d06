"""docs/OPERATIONS.md as somebody who deploys for the first time reads it: the commands of its chapters, run as written.

The shell blocks of the numbered steps run one after the other in one bash, with the AWS CLI, against ministack in its
strict form. Blocks that no emulator answers are named in ELSEWHERE with where they are held instead. Every other command
of the document exists, with the options that it is given.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

import emulators
import template
from tls import certificate

DOCUMENT = (template.DEPLOY.parent / "docs/OPERATIONS.md").read_text(encoding="utf-8")
ELSEWHERE = {
    3: "types that ministack does not have: test_stacks.UNKNOWN; VPC and SUBNET are made by API",
    5: "ministack has no StackSets: test_stacksets.py runs the block on moto",
    8: "needs a registry: test_image.py builds and runs the image",
    11: "needs a run of the task: tests/store and tests/it ask `status` and `list`",
}
# Of the AWS CLI's version 2 alone, which PyPI does not have.
VERSION_2 = {("logs", "tail")}
NO_SUCH = {"logs tail": "ministack's stream has no line yet", "ecs wait": "no task runs in an emulator"}


def steps():
    """Number of each step, and its shell."""
    chapter = DOCUMENT.split("## First deployment")[1].split("### Acceptance")[0]
    parts = re.split(r"^(\d+)\. \*\*", chapter, flags=re.MULTILINE)[1:]
    found = {}
    for number, text in zip(parts[::2], parts[1::2]):
        blocks = re.findall(r"^ +```sh\n(.*?)^ +```", text, flags=re.MULTILINE | re.DOTALL)
        indent = "    " if int(number) > 9 else "   "
        found[int(number)] = "".join(re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for block in blocks)
    return found


def shell_blocks():
    return re.findall(r"^ *```sh\n(.*?)^ *```", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    authority, cert, key = certificate(tmp_path_factory.mktemp("tls"))
    with emulators.strict_ministack(cert, key) as server:
        yield server, authority


def environment(server, authority):
    # The one name that a reader's shell has and this has not.
    tools = f"{emulators.program('evidenced').parent}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    return server.env(template.REGION) | {"AWS_CA_BUNDLE": str(authority), "PATH": tools, "AWS_PAGER": ""}


def test_the_steps_are_eleven_and_those_that_are_not_run_are_named():
    found = steps()
    assert sorted(found) == list(range(1, 12))
    assert all(found[number] for number in ELSEWHERE)
    said = re.search(r"steps 1, 2, 4, 6, 7\s+and 9 are run as they stand", DOCUMENT)
    assert said and {number for number, text in found.items() if text} - set(ELSEWHERE) == {1, 2, 4, 6, 7, 9}


def test_the_first_deployment_runs_as_written(account, tmp_path):
    found = steps()
    (tmp_path / "deploy").symlink_to(template.DEPLOY)
    (tmp_path / "deployment").mkdir()
    digest = "sha256:" + "ab" * 32
    holders = "\n".join(
        f"openssl genpkey -algorithm ED25519 -out {name}.key.pem; chmod 400 {name}.key.pem; "
        f"openssl pkey -in {name}.key.pem -pubout -out {name}.pub.pem" for name in "abc"
    )
    network = """
    VPC=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
    SUBNET=$(aws ec2 create-subnet --vpc-id $VPC --cidr-block 10.0.1.0/24 --query Subnet.SubnetId --output text)
    """
    instead = {3: network, 5: "", 8: f"DIGEST={digest}", 11: ""}
    script = "set -euo pipefail\n"
    for number, text in found.items():
        lines = [line for line in instead.get(number, text).splitlines()
                 if not any(f"aws {word}" in line for word in NO_SUCH)]
        script += f"echo '== {number}'\n" + (holders if number == 6 else "") + "\n" + "\n".join(lines) + "\n"
    script += "aws cloudformation describe-stacks --stack-name evidenced-service --query 'Stacks[0].StackStatus'\n"
    server, authority = account
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment(server, authority), capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "CREATE_COMPLETE" in done.stdout or "UPDATE_COMPLETE" in done.stdout
    assert re.search(r"fingerprint +[0-9a-f]{64}", done.stdout), done.stdout
    config = (tmp_path / "deployment/evidenced.toml").read_text(encoding="utf-8")
    assert f'expected_bucket_owner = "{emulators.STRICT_ACCOUNT}"' in config and "$" not in config
    ecs = subprocess.run(
        ["aws", "ecs", "describe-task-definition", "--task-definition", "evidenced-prod", "--query",
         "taskDefinition.containerDefinitions[0].image", "--output", "text"],
        env=environment(server, authority), capture_output=True, text=True, check=False,
    )
    assert ecs.stdout.strip().endswith(f"/evidenced-prod@{digest}"), ecs.stdout + ecs.stderr


def commands(name):
    """Every command of that program in a shell block, as words; substitutions are commands too."""
    found = []
    for block in shell_blocks():
        text = re.sub(r"\\\n", " ", block)
        for match in re.finditer(rf"(?:^|[|(;] ?|= ?\$\()\s*{name} ([^\n|;]*)", text, flags=re.MULTILINE):
            words = match.group(1).split("  #")[0].strip()
            while words.count(")") > words.count("("):
                words = words[:words.rindex(")")]
            found.append(shlex.split(words, comments=True))
    return found


def test_every_command_of_the_program_has_the_options_that_it_is_given():
    program, seen = emulators.program("evidenced"), 0
    spoken = re.findall(r"`evidenced ([a-z][^`]*)`", DOCUMENT)
    for words in commands("evidenced") + [shlex.split(text) for text in spoken]:
        names = []
        for word in words:
            if not re.fullmatch(r"[a-z][a-z-]*", word):
                break
            names.append(word)
        helped = subprocess.run([program, *names, "--help"], capture_output=True, text=True, check=False)
        if helped.returncode != 0 and len(names) > 1:
            helped = subprocess.run([program, *names[:1], "--help"], capture_output=True, text=True, check=False)
        assert helped.returncode == 0, f"evidenced {' '.join(words)}: {helped.stderr}"
        for option in (word for word in words if word.startswith("-")):
            option = option.split("=")[0]
            if option in ("-vv", "-v"):
                continue
            assert re.search(rf"(^|[\s,]){re.escape(option)}\b", helped.stdout), f"evidenced {' '.join(words)}: {option}"
        seen += 1
    assert seen >= 40


def test_every_command_of_the_aws_cli_exists_with_its_options():
    seen = 0
    with open(os.devnull, "rb") as nothing:
        for words in commands("aws"):
            service, operation, *rest = words
            seen += 1
            if (service, operation) in VERSION_2:
                continue
            waiter = rest[:1] if operation == "wait" else []
            options = [word for word in rest if word.startswith("--")]
            helped = subprocess.run(
                [pathlib.Path(sys.executable).parent / "aws", service, operation, *waiter, "help"], stdin=nothing,
                capture_output=True, text=True, check=False, env=os.environ | {"AWS_PAGER": "", "MANPAGER": "cat"},
            )
            text = re.sub(r".\x08", "", helped.stdout)
            assert helped.returncode == 0 and text, f"aws {service} {operation}: {helped.stderr}"
            for option in options:
                assert option in text or option in ("--query", "--output"), f"aws {service} {operation}: {option}"
    assert seen >= 12


def test_every_file_that_is_named_is_there():
    root = template.DEPLOY.parent
    named = set(re.findall(r"`((?:docs|deploy|tests|config|src|crates)/[A-Za-z0-9_./-]+)`", DOCUMENT))
    named |= set(re.findall(r"\b(docs/[A-Z]+\.md)\b", DOCUMENT)) | set(re.findall(r"(?<=file )(deploy/\S+)", DOCUMENT))
    missing = [name for name in sorted(named) if not (root / name.rstrip("/")).exists()]
    assert missing == [] and len(named) >= 12
