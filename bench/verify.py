"""How fast a bundle is verified, as a ratio to what nothing that verifies can go below, and in how much memory.

    cargo build --release -p evidenced-bundle --bins --examples
    python3 bench/verify.py [--megabytes 500] [--runs 5] [--json FILE]

Two things to compare with. `sum`: `sha256sum` of the zip, plus a program that inflates and hashes each file in it with
the libraries that the verifier has, in one thread, without any check (`verifying least`, less its own hash of the
zip). `python`: the same with zipfile and hashlib. Promises: all take turns, so that a busy machine disturbs each;
medians of wall and processor time with the range; the peak memory of the verifier at the full size and at a tenth of
it. Refused: a verdict (aims are printed beside the numbers), and this process growing, which a child would inherit.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
AIMS = {"ratio": "0.8", "peak MiB": "64"}
PYTHON = """
import hashlib, sys, zipfile
with open(sys.argv[1], "rb") as file:
    hashlib.file_digest(file, "sha256")
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as entry:
                digest = hashlib.sha256()
                while chunk := entry.read(1 << 16):
                    digest.update(chunk)
"""


def measured(command):
    """Wall seconds, processor seconds and peak memory in MiB of one child that has to succeed."""
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {child.returncode}: {said.decode()[-1500:]}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--megabytes", type=int, default=500)
    ask.add_argument("--runs", type=int, default=5)
    ask.add_argument("--binaries", default=str(ROOT / "target" / "release"))
    ask.add_argument("--json")
    args = ask.parse_args()
    binaries = pathlib.Path(args.binaries)
    tool = str(binaries / "examples" / "verifying")
    times = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = {}
        for megabytes in (args.megabytes, max(args.megabytes // 10, 1)):
            place = f"{folder}/{megabytes}"
            said = subprocess.run([tool, "make", place, str(megabytes)], check=True, capture_output=True, text=True)
            made[megabytes] = (said.stdout.strip(), f"{place}/key.pem")
        zip_path, key = made[args.megabytes]
        verify = [str(binaries / "evidenced-verify"), zip_path, "--key", key]
        commands = {
            "verify": verify,
            "sha256sum": ["sha256sum", zip_path],
            "hash": [tool, "hash", zip_path],
            "least": [tool, "least", zip_path],
            "python": [sys.executable, "-c", PYTHON, zip_path],
        }
        for _ in range(args.runs):
            for name, command in commands.items():
                times.setdefault(name, []).append(measured(command))
        small_zip, small_key = made[max(args.megabytes // 10, 1)]
        small = measured([verify[0], small_zip, "--key", small_key])[2]
        packed = os.path.getsize(zip_path) / 1e6

    print(f"{args.megabytes} MB of documents in a zip of {packed:.0f} MB, {args.runs} runs, medians (range)\n")
    print(f"{'':12}{'wall s':>22}{'processor s':>22}{'peak MiB':>10}")
    middle = {}
    for name, runs in times.items():
        columns = [sorted(column) for column in zip(*runs)]
        middle[name] = [statistics.median(column) for column in columns]
        spans = [f"{value:.2f} ({column[0]:.2f}-{column[-1]:.2f})" for value, column in zip(middle[name], columns)]
        print(f"{name:12}{spans[0]:>22}{spans[1]:>22}{middle[name][2]:>10.1f}")
    result = {"megabytes": args.megabytes, "zip": packed, "times": times, "peak of a tenth": small}
    for place, what in enumerate(("wall", "processor")):
        total = middle["sha256sum"][place] + middle["least"][place] - middle["hash"][place]
        result[what] = {"sum": total / middle["verify"][place], "python": middle["python"][place] / middle["verify"][place]}
        speed = args.megabytes / middle["verify"][place]
        print(
            f"\n{what}: {speed:.0f} MB/s; ratio to sum {result[what]['sum']:.2f} (aim {AIMS['ratio']}),"
            f" to python {result[what]['python']:.2f}"
        )
    peak = max(run[2] for run in times["verify"])
    print(f"\npeak memory: {peak:.1f} MiB, of a tenth {small:.1f} MiB (aim below {AIMS['peak MiB']})")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
