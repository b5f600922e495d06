"""Finds the helpers of the other Python tests."""

import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "emulators"), str(TESTS / "parity")]
