"""TLS for tests: certificates made by openssl, and a client with its records in hand."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from doubles import turns

from minitornado.ioloop import IOLoop


class Certificates:
    """An authority, a server for localhost, a client: files in PEM form, and who trusts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self._path("ca.crt")
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test CA",
            "-addext", "keyUsage=critical,keyCertSign", "-keyout",
            self._path("ca.key"), "-out", self.ca)  # fmt: skip
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
        # Python 3.13 wants to be told whose key has signed (RFC 5280 §4.2.1.1).
        extensions.write_text(f"{extension}\nauthorityKeyIdentifier=keyid\n")
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


class Client:
    """The client's end of TLS, its records in hand.

    `outgoing` holds what it wants to send: `flush` sends it, whole or in pieces, with turns of
    the loop in between.
    """

    def __init__(self, loop: IOLoop, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.loop = loop
        self.sock = sock
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a piece is a packet
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.ended = False

    def flush(self, size: int | None = None) -> None:
        data = self.outgoing.read()
        for start in range(0, len(data), size or len(data) or 1):
            self.sock.send(data[start : start + (size or len(data))])
            turns(self.loop)

    def receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := self.sock.recv(65536):
                self.incoming.write(data)
            self.ended = True

    def handshake(self, size: int | None = None) -> None:
        for _ in range(20):
            try:
                self.tls.do_handshake()
                self.flush(size)
                return turns(self.loop)
            except ssl.SSLWantReadError:
                self.flush(size)
                turns(self.loop)
                self.receive()
        raise AssertionError("the handshake does not end")

    def send(self, *records: bytes, size: int | None = None) -> None:
        """Send each of `records` as a record of its own, all at once or in pieces."""
        for record in records:
            self.tls.write(record)
        self.flush(size)

    def read(self) -> bytes:
        """What the server has sent, decrypted."""
        turns(self.loop)
        self.receive()
        data = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(65536):
                data += piece
        return data
