"""One browser for the session; reports are made by the program's own code, from bags that the tests write."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "page")]

import axe as axe_core  # noqa: E402
from browser import Browser  # noqa: E402

import estates  # noqa: E402


@pytest.fixture(scope="session")
def browser():
    started = Browser()
    yield started
    started.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    return axe_core.source(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """Makes the pages of a bag; the path of the first."""
    maker = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug" / "examples" / "report-pages"
    subprocess.run(["cargo", "build", "--quiet", "--workspace", "--example", "report-pages"], cwd=ROOT, check=True)

    def made(bag, rows=None):
        out = tmp_path_factory.mktemp("pages")
        more = [] if rows is None else [str(rows)]
        subprocess.run([maker, bag.write(), out, *more], check=True, stdout=subprocess.DEVNULL)
        return out / "data" / "report.html"

    return made


@pytest.fixture(scope="session")
def estate(report, tmp_path_factory):
    """A small estate with everything in it: failures, unknowns, gaps of both kinds, exceptions, controls."""
    bag = estates.Bag(tmp_path_factory.mktemp("estate"))
    documents = estates.network(vpcs=2)
    documents["vpc.flow-logs"]["DescribeFlowLogs"] = None
    bag.region(documents)
    bag.gap("acm.certificates", "denied", "an explicit deny in a service control policy", error={
        "operation": "ListCertificates", "code": "AccessDeniedException", "message": "no"})
    bag.gap("vpc.vpcs", "denied", "region-deny", region="ap-east-1",
            accepted={"approver": "ciso@example.com", "expires": "2027-06-30", "reason": "denied by SCP"})
    bag.gap("vpc.vpcs", "region-disabled", "the account has not opted in to the region", region="af-south-1")
    bag.config["exceptions"] = [{
        "id": "EX-7", "check": "sg_no_ssh_from_internet", "resource": "sg-00000", "reason": "bastion until 2027-01",
        "owner": "platform", "approver": "ciso@example.com", "approved_at": "2026-11-01", "expires": "2026-12-10"}]
    bag.config["controls"] = [{
        "id": "NET-04", "title": "Administrative ports are not reachable from the internet", "criteria": ["CC6.6"],
        "checks": ["sg_no_ssh_from_internet", "sg_no_rdp_from_internet"], "items": ["vpc.security-groups"], "owner": "platform"}]
    bag.config["accepted_gaps"] = [{
        "region": "ap-*", "reason": "denied by SCP", "approver": "ciso@example.com", "expires": "2027-06-30"}]
    return report(bag)


@pytest.fixture
def tab(browser, estate):
    opened = browser.page(estate.as_uri())
    yield opened
    opened.close()
