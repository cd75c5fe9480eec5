"""Certificates for a test run: an authority, a server for localhost, a client, made by openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


class Certificates:
    """Files in PEM form, and contexts of who trusts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self._path("ca.crt")
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test CA",
            "-keyout", self._path("ca.key"), "-out", self.ca)  # fmt: skip
        self._issue("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self._issue("client", "/CN=a client", "subjectAltName=DNS:client")
        self.cert, self.key = self._path("server.crt"), self._path("server.key")
        self.client_cert, self.client_key = self._path("client.crt"), self._path("client.key")
        #: HTTPServer's `ssl_options`
        self.options = {"certfile": self.cert, "keyfile": self.key}

    def client_context(self, own: bool = False) -> ssl.SSLContext:
        """A client that trusts the authority; with `own`, it shows a certificate, too."""
        context = ssl.create_default_context(cafile=self.ca)
        if own:
            context.load_cert_chain(self.client_cert, self.client_key)
        return context

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    def _issue(self, name: str, subject: str, extension: str) -> None:
        key, request = self._path(name + ".key"), self._path(name + ".csr")
        extensions = self.folder / (name + ".ext")
        extensions.write_text(extension)
        self._openssl(
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key,
            "-out", request)  # fmt: skip
        self._openssl(
            "x509", "-req", "-days", "2", "-in", request, "-CA", self.ca, "-CAkey",
            self._path("ca.key"), "-CAcreateserial", "-extfile", str(extensions), "-out",
            self._path(name + ".crt"))  # fmt: skip

    @staticmethod
    def _openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make certificates with")
    return Certificates(tmp_path_factory.mktemp("certificates"))
