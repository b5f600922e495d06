"""Every case gives the same rows on a second engine, with the harness written a second time."""

import pytest

from harness import cases, rows


@pytest.mark.parametrize(("check", "name", "case"), [pytest.param(*it, id=f"{it[0]}-{it[1]}") for it in cases()])
def test_rego_cpp_gives_the_same_rows(check, name, case):
    expected = [(row.get("resource"), row["verdict"]) for row in case["rows"]]
    assert rows(check, case) == expected
