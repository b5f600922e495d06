"""An account of the simulated AWS, collected by the program: rego-cpp gives the rows that the program's engine gives."""

import pytest

import harness
from judged import NOW, PLACES, REGIONS, Judged, emulators

CHECKS = sorted(path.stem for path in harness.POLICIES.glob("*.rego"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    with emulators.simcloud("--regions", ",".join(REGIONS), "--seed", 5) as server:
        yield Judged(tmp_path_factory.mktemp("simcloud"), server)


@pytest.mark.parametrize("check", CHECKS)
def test_rego_cpp_gives_the_same_rows_of_a_collected_account(simulated, check):
    seen = 0
    for place in PLACES:
        ours = simulated.verdicts(check, place)
        if not ours:
            continue
        theirs = dict(harness.judge(check, simulated.account, place, NOW, simulated.cells))
        assert ours == theirs, place
        seen += len(ours)
    assert seen > 0
