"""The servers of the laboratory. Each lives as long as what it is shared by."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .lab import HASTY, Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The one most tests share; whatever it is sent, it must go on serving."""
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def watched() -> Iterator[Server]:
    """A server of one module alone, for tests that watch its memory, descriptors, CPU or log."""
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """A server that waits for its clients for TIMEOUT seconds only."""
    with Server(**HASTY) as server:
        yield server


@dataclass(frozen=True)
class Certificate:
    """A certificate for localhost, made for this run, and a client's trust in it."""

    options: dict[str, str]  # HTTPServer's ssl_options
    trust: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
         "-out", cert, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True, timeout=60)
    return Certificate({"certfile": cert, "keyfile": key}, ssl.create_default_context(cafile=cert))


@pytest.fixture(scope="module")
def tls(certificate: Certificate) -> Iterator[Server]:
    """A server that speaks TLS."""
    with Server(ssl_options=certificate.options, trust=certificate.trust) as server:
        yield server
