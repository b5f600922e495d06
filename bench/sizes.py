"""How large findings and reports are beside the evidence that they are about, uncompressed.

    .venv/bin/python bench/sizes.py [BUNDLE.zip ...] [--population] [--demo]

Promises: for each bundle (that of the shared population in moto, that of `evidenced demo`, or those that are named) the
bytes of each group of files and their ratio to the evidence. "Findings and reports" is `data/findings/`, the report and
the three tables; checks, policies and the description of the run are apart: they do not grow with the estate.
Refused: a verdict.
"""

import argparse
import pathlib
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "emulators"), str(ROOT / "tests" / "parity")]

REGIONS = "us-east-1,us-west-2,eu-west-1,eu-central-1"
FINDINGS = ("findings", "report", "findings.csv", "population.csv", "coverage.csv")


def group(name):
    """What a file of a bundle belongs to."""
    path = name.split("/", 1)[1]
    if not path.startswith("data/"):
        return "tags"
    path = path.removeprefix("data/")
    for prefix in ("evidence/", "raw/", "findings/", "policies/", "report"):
        if path.startswith(prefix):
            return prefix.rstrip("/")
    return path if path.endswith(".csv") else "others"


def sizes(path):
    """Bytes of each group of a bundle."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = group(info.filename)
            found[name] = found.get(name, 0) + info.file_size
    return found


def ratio(found):
    return sum(found.get(name, 0) for name in FINDINGS) / found["evidence"]


def show(title, found):
    print(f"\n{title}: evidence {found['evidence']:,} bytes")
    for name in (*FINDINGS, "policies", "others", "tags"):
        print(f"  {name:16}{found.get(name, 0):>14,}{found.get(name, 0) / found['evidence']:>9.3f}")
    print(f"  findings and reports are {ratio(found):.3f} times the evidence")


def of_population(folder, regions=REGIONS):
    """The bundle of the shared population, one account of moto in four regions."""
    import collector
    import emulators
    import populate

    with emulators.moto() as server:
        populate.populate(server.address, regions.split(","), counts=populate.BENCH, is_moto=True)
        config = collector.prepare(pathlib.Path(folder) / "population", server, regions.split(","))
        collector.evidenced("collect", "-c", config, env=server.env(), expect=(0, 4))
    return next((pathlib.Path(folder) / "population").rglob("evidence-*.zip"))


def of_demo(folder):
    """The bundle of `evidenced demo`."""
    import collector

    collector.evidenced("demo", "-q", "--dir", pathlib.Path(folder) / "demo")
    return next((pathlib.Path(folder) / "demo").rglob("evidence-*.zip"))


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("bundles", nargs="*")
    ask.add_argument("--population", action="store_true")
    ask.add_argument("--demo", action="store_true")
    args = ask.parse_args()
    for path in args.bundles:
        show(path, sizes(path))
    with tempfile.TemporaryDirectory(prefix="sizes-") as folder:
        if args.demo:
            show("evidenced demo", sizes(of_demo(folder)))
        if args.population:
            show("shared population in moto, 4 regions", sizes(of_population(folder)))


if __name__ == "__main__":
    main()
