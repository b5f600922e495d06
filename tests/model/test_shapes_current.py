"""The committed shape tables are what the pinned botocore gives."""

import importlib.util
import json
import re
from pathlib import Path

import botocore

ROOT = Path(__file__).resolve().parents[2]
SHAPES = ROOT / "config" / "shapes"


def generated():
    spec = importlib.util.spec_from_file_location("generate", SHAPES / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.files()


def test_the_installed_botocore_is_the_one_of_the_tables():
    versions = {json.loads(path.read_text())["botocore"] for path in SHAPES.glob("*.json")}
    assert versions == {botocore.__version__}


def test_the_pinned_botocore_is_the_one_of_the_tables():
    pins = (ROOT / "tests" / "emulators" / "requirements.txt").read_text()
    assert re.findall(r"^botocore==([0-9.]+)", pins, re.MULTILINE) == [botocore.__version__]


def test_the_tables_are_regenerated_byte_for_byte():
    files = generated()
    assert sorted(files) == sorted(path.name for path in SHAPES.glob("*.json"))
    for name, text in files.items():
        assert (SHAPES / name).read_bytes() == text.encode(), f"{name}: run config/shapes/generate.py --out config/shapes"
