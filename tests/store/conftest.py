"""Buckets of other hands: moto over TLS with a certificate made here, and ministack; the collector writes into both.

Promises: the authority of the certificate is known to the collector by `AWS_CA_BUNDLE` alone; every bucket begins
empty, with Object Lock, versions and the HTTPS-only statement, unless a test asks for less.
"""

import datetime
import ipaddress
import pathlib
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path[:0] = [str(TESTS / "emulators"), str(TESTS / "parity"), str(HERE)]

import emulators  # noqa: E402
from bucket import Cloud  # noqa: E402

DAY = datetime.timedelta(days=1)


def certificate(folder):
    """An authority and a server certificate for 127.0.0.1; gives the paths (authority, certificate, key)."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def made(name, subject, issuer, issuer_key, is_authority):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if not is_authority:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        signed = builder.sign(issuer_key or key, hashes.SHA256())
        path = folder / f"{name}.pem"
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return path, key

    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    authority, authority_key = made("authority", named("authority of a test"), None, None, True)
    server, key = made("server", named("127.0.0.1"), named("authority of a test"), authority_key, False)
    key_path = folder / "server.key.pem"
    key_path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
    ))
    return authority, server, key_path


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
