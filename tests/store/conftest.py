"""Buckets of other hands: moto over TLS with a certificate made here, and ministack; the collector writes into both.

Promises: the authority of the certificate is known to the collector by `AWS_CA_BUNDLE` alone; every bucket begins
empty, with Object Lock, versions and the HTTPS-only statement, unless a test asks for less.
"""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path[:0] = [str(TESTS / "emulators"), str(TESTS / "parity"), str(HERE)]

import emulators  # noqa: E402
from bucket import Cloud  # noqa: E402
from tls import certificate  # noqa: E402


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    authority, cert, key = certificate(tmp_path_factory.mktemp("tls"))
    with emulators.moto(cert=cert, key=key) as server:
        yield Cloud(server, authority)


@pytest.fixture(scope="session")
def ministack():
    with emulators.ministack() as server:
        yield Cloud(server, None)


@pytest.fixture(scope="session", params=["moto", "ministack"])
def cloud(request):
    return request.getfixturevalue(request.param)
