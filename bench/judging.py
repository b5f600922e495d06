"""What judging costs in a whole run, and how much memory a run of a large organisation takes.

    .venv/bin/python bench/judging.py [--accounts 60] [--regions 17] [--scale small] [--program FILE]

Promises: one `collect` of a simulated organisation. The program judges in a thread of its own, named "judging": the
CPU seconds of that thread and of all threads are read from /proc while it runs, and the share of the one in the other
is printed, beside peak memory, requests and verdicts. Checks are compiled and the report is made outside that thread:
neither is counted as judging. The simulated AWS is another process. Refused: a verdict; a debug program is measured as
it is, so name a release program with --program.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "emulators"), str(ROOT / "tests" / "parity")]

import collector  # noqa: E402
import emulators  # noqa: E402

# Regions of the partition `aws` that every account has without opting in.
REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "eu-north-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1",
    "ap-southeast-2", "sa-east-1",
)
TICKS = os.sysconf("SC_CLK_TCK")


def ticks(stat):
    """User and system time of one `stat` file, in clock ticks; the name in it may hold blanks."""
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def watched(command, env):
    """One child until it ends: CPU seconds in all and of its judging thread, peak memory, wall seconds, exit code."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        tasks, judging = pathlib.Path(f"/proc/{child.pid}/task"), {}
        while True:
            done, status, used = os.wait4(child.pid, os.WNOHANG)
            if done:
                break
            for task in tasks.glob("*"):
                try:
                    if (task / "comm").read_text().strip() == "judging":
                        judging[task.name] = ticks(task / "stat")
                except (OSError, ValueError):
                    continue  # it has just ended
            time.sleep(0.01)  # one clock tick: what the thread does after the last look is lost
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 4):
            said.seek(0)
            raise SystemExit(f"{command[0]} ended with {child.returncode}: {said.read().decode()[-1500:]}")
    return {
        "cpu": used.ru_utime + used.ru_stime, "judging": sum(judging.values()) / TICKS,
        "rss": used.ru_maxrss / 1024, "wall": time.perf_counter() - begun, "exit": child.returncode,
    }


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--accounts", type=int, default=60)
    ask.add_argument("--regions", type=int, default=len(REGIONS))
    ask.add_argument("--scale", default="small")
    ask.add_argument("--program", default=str(emulators.program("evidenced")))
    args = ask.parse_args()
    regions = REGIONS[: args.regions]
    with tempfile.TemporaryDirectory(prefix="judging-") as folder, emulators.simcloud(
        "--accounts", args.accounts, "--regions", ",".join(regions), "--scale", args.scale, "--signatures", "off",
    ) as server:
        accounts = [{"id": ident, "role": server.said["role_name"]} for ident in server.said["accounts"]]
        config = collector.prepare(
            pathlib.Path(folder) / "scope", server, regions, accounts, server.said["external_id"],
        )
        used = watched([args.program, "-q", "collect", "-c", str(config)], os.environ | server.env())
        bundle = next((pathlib.Path(folder) / "scope").rglob("evidence-*.zip"))
        with zipfile.ZipFile(bundle) as archive:
            names = {info.filename.split("/", 1)[1]: info for info in archive.infolist()}
            run = json.loads(archive.read(names["data/run.json"]))
            size = sum(info.file_size for info in names.values())
            rows = archive.read(names["data/findings.csv"]).count(b"\n") if "data/findings.csv" in names else None
    print(f"{len(accounts)} accounts, {len(regions)} regions, scale {args.scale}: exit {used['exit']}")
    print(f"  files {len(names):,}, {size / 1e6:.0f} MB unpacked, verdicts {rows}, status {run['status']}")
    print(f"  wall {used['wall']:.1f} s, CPU {used['cpu']:.2f} s, of which judging {used['judging']:.2f} s")
    print(f"  judging is {used['judging'] / used['cpu']:.3f} of the run (aim: under 0.333)")
    print(f"  peak memory {used['rss']:.1f} MiB")


if __name__ == "__main__":
    main()
