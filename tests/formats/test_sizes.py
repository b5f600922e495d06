"""What people read may not outweigh what AWS said: scanners write a hundred times as much as they were told."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench")]

import sizes  # noqa: E402

MOST = 1.1  # of the evidence, uncompressed


def test_findings_report_and_tables_weigh_little_more_than_the_evidence_of_the_shared_population(tmp_path):
    found = sizes.sizes(sizes.of_population(tmp_path))
    assert all(found[name] > 0 for name in (*sizes.FINDINGS, "evidence")), found
    assert sizes.ratio(found) <= MOST, found
