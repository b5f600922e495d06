"""Runs the collector against a server and reads the bundle that it made.

Promises: keys and folder come from `evidenced init`, the configuration has the names of docs/DESIGN.md, the documents
are read from the zip itself. Refused: an exit code other than 0 (complete) and 4 (with gaps).
"""

import json
import pathlib
import subprocess
import tomllib
import zipfile

import emulators

EXTERNAL_ID = "external-id"
CANARY = "canary-of-the-parity-test"  # stands in every secret that the simulated AWS is told to plant it in


def evidenced(*arguments, env=None, expect=(0,), cwd=None):
    """Runs the program and gives its standard output; any other exit code than those expected is an error."""
    done = subprocess.run(
        [str(emulators.program("evidenced")), *map(str, arguments)], env=env, cwd=cwd, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )
    if done.returncode not in expect:
        said = done.stderr[-3000:]
        raise RuntimeError(f"evidenced {' '.join(map(str, arguments))}: exit {done.returncode}\n{said}")
    return done.stdout


def prepare(folder, server, regions, accounts=(), external_id=None):
    """Keys, store and configuration of one scope in a folder; gives the configuration's path."""
    folder.mkdir(parents=True, exist_ok=True)
    evidenced(
        "init", "--dir", folder, "--scope", "parity", "--organisation", "Example Ltd",
        "--origin", "evidence.example.com/parity", env=server.env(),
    )
    path = folder / "evidenced.toml"
    made = tomllib.loads(path.read_text(encoding="utf-8"))
    if external_id:
        (folder / EXTERNAL_ID).write_text(external_id, encoding="utf-8")
    settings = {
        "": {key: made[key] for key in ("scope", "organisation", "schedule") if key in made},
        "store": {"url": made["store"]["url"]},
        "signing": {key: made["signing"][key] for key in ("origin", "evidence_key")},
        "aws": {"endpoint_url": server.address, "regions": list(regions)},
    }
    text = toml(settings)
    for account in accounts:
        text += "\n[[aws.accounts]]\n" + lines(account | ({"external_id_file": EXTERNAL_ID} if external_id else {}))
    path.write_text(text, encoding="utf-8")
    return path


def toml(settings):
    return "\n".join((f"[{table}]\n" if table else "") + lines(values) for table, values in settings.items())


def lines(values):
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())  # JSON's literals are TOML's


class Bundle:
    """A sealed bundle: where it is, and what is in it."""

    def __init__(self, path, key):
        self.path, self.key = path, key
        self.name = path.stem
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            self.run = json.loads(archive.read(f"{self.name}/data/run.json"))
            self.documents = {
                name: json.loads(archive.read(name)) for name in names if "/data/evidence/" in name
            }
            self.texts = {name: archive.read(name).decode("utf-8", "replace") for name in names}

    def calls(self):
        """(document, call) of every call of every document."""
        return [(document, call) for document in self.documents.values() for call in document["calls"]]


def collect(folder, server, regions, accounts=(), external_id=None):
    """One run of the collector: init, collect, and the bundle in the store."""
    config = prepare(folder, server, regions, accounts, external_id)
    evidenced("collect", "-c", config, env=server.env(regions[0]), expect=(0, 4))
    (bundle,) = (folder / "store").rglob("*.zip")
    return Bundle(bundle, folder / "keys" / "evidence.pub.pem")
