"""What a run of the collector costs, beside the boto3 script, against moto with the shared population.

    .venv/bin/python bench/run.py [--runs 5] [--regions a,b,c,d] [--no-bundling] [--json FILE]

Promises: the two take turns against one server that does not change; for each the requests that reached the server
(its own log counts them), CPU seconds of the client, peak memory and wall time, as medians with the range. Requests
are split into the calls that the script makes too and the rest of the evidence table. Refused: a verdict (aims are
printed beside the numbers, nothing fails on a busy machine), and this process growing: a child's peak memory begins at
its parent's, so nothing large is imported here.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "emulators"), str(ROOT / "tests" / "parity")]

import collector  # noqa: E402
import emulators  # noqa: E402

REGIONS = "us-east-1,us-west-2,eu-west-1,eu-central-1"
COUNTS = {"vpcs": 5, "subnets": 60, "groups": 200, "balancers": 10, "acls": 4, "buckets": 8}
# Items that hold what the script collects; they make calls beyond it too.
SAME_ITEMS = (
    "vpc.vpcs", "vpc.subnets", "vpc.security-groups", "vpc.network-acls", "vpc.flow-logs", "vpc.route-tables",
    "waf.web-acls", "elb.load-balancers", "acm.certificates", "config.compliance",
)
AIMS = {"requests (same calls)": "170", "CPU s": "0.15 for those", "peak RSS MiB": "60", "CPU ratio": "10"}


def measured(command, env, log):
    """One child: wall and CPU seconds, peak memory, exit code, and what it asked."""
    before = log.stat().st_size
    begun = time.perf_counter()
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 4):
        raise SystemExit(f"{command[0]} ended with {child.returncode}: {said.decode()[-1500:]}")
    with log.open(encoding="utf-8") as lines:
        lines.seek(before)
        asked = collections.Counter((line["service"], line["action"]) for line in map(json.loads, lines))
    return {
        "wall": wall, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024, "asked": asked,
    }


def limited(config, items):
    """The same configuration with only some items."""
    text = config.read_text(encoding="utf-8") + "\n[collect]\nitems = " + json.dumps(list(items)) + "\n"
    config.write_text(text, encoding="utf-8")
    return config


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--runs", type=int, default=5)
    ask.add_argument("--regions", default=REGIONS)
    ask.add_argument("--binary", default=str(ROOT / "target" / "release" / "evidenced"))
    ask.add_argument("--no-bundling", action="store_true")
    ask.add_argument("--json")
    args = ask.parse_args()
    os.environ["EVIDENCED_BIN"] = str(pathlib.Path(args.binary).parent)
    regions = args.regions.split(",")
    results = collections.defaultdict(list)

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        folder = pathlib.Path(folder)
        log = folder / "moto.jsonl"
        log.touch()
        with emulators.moto(log=log) as server:
            populate(server.address, regions)
            env = server.env()
            for number in range(args.runs + 1):
                place = folder / str(number)
                whole = collector.prepare(place / "whole", server, regions)
                part = limited(collector.prepare(place / "part", server, regions), SAME_ITEMS)
                script = [sys.executable, str(ROOT / "bench" / "baseline_boto3.py"), str(place / "script"), *regions]
                for name, command in (
                    ("boto3 script", script),
                    ("evidenced", [args.binary, "collect", "-c", str(whole)]),
                    ("evidenced, the script's items", [args.binary, "collect", "-c", str(part)]),
                ):
                    one = measured(command, env, log)
                    if number > 0:  # the first round warms caches
                        results[name].append(one)
    show(results)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, default=str), encoding="utf-8")
    if not args.no_bundling:
        print("\nBundling (crates/bundle/examples/bundling.rs), as a share of one thread's SHA-256 + deflate 6 + CRC:")
        sys.stdout.flush()
        subprocess.run(
            ["cargo", "run", "--release", "--quiet", "-p", "evidenced-bundle", "--example", "bundling"],
            cwd=ROOT, check=True,
        )


def populate(address, regions):
    counts = [word for name, count in COUNTS.items() for word in (f"--{name}", str(count))]
    subprocess.run(
        [sys.executable, str(ROOT / "tests" / "emulators" / "populate.py"), "--endpoint", address, "--moto",
         "--regions", ",".join(regions), *counts],
        check=True,
    )


def show(results):
    script = results["boto3 script"]
    same = set().union(*(run["asked"] for run in script))
    base = statistics.median(run["cpu"] for run in script)

    def row(name, *cells):
        print(f"{name:32}" + "".join(f"{cell:>25}" for cell in cells))

    row("median [least .. most]", "requests (same calls)", "requests (others)", "CPU s", "peak RSS MiB", "wall s",
        "CPU ratio")
    for name, runs in results.items():
        counted = [sum(n for call, n in run["asked"].items() if call in same) for run in runs]
        others = [sum(n for call, n in run["asked"].items() if call not in same) for run in runs]
        columns = [spread(counted, 0), spread(others, 0)]
        columns += [spread([run[key] for run in runs], places) for key, places in (("cpu", 3), ("rss", 1), ("wall", 2))]
        row(name, *columns, f"{base / statistics.median(run['cpu'] for run in runs):.1f}")
    row("aim", AIMS["requests (same calls)"], "", AIMS["CPU s"], AIMS["peak RSS MiB"], "", AIMS["CPU ratio"])
    whole = results["evidenced"]
    if whole:
        per = statistics.median(run["cpu"] / sum(run["asked"].values()) for run in whole)
        share = statistics.median(
            run["cpu"] * sum(n for call, n in run["asked"].items() if call in same) / sum(run["asked"].values())
            for run in whole
        )
        print(f"\nevidenced: {per * 1e3:.2f} ms CPU a request; the calls that the script makes too, by their share of "
              f"the requests: {share:.3f} s")


def spread(values, places):
    return f"{statistics.median(values):.{places}f} [{min(values):.{places}f} .. {max(values):.{places}f}]"


if __name__ == "__main__":
    main()
