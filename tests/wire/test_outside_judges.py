"""Clients that others wrote, `http.client`, curl and `openssl s_client`, find nothing wrong."""

import gzip
import http.client
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Certificate
from .lab import MIB, Server

BODY = bytes(range(256)) * 400


@pytest.fixture(params=["plain", "TLS"])
def connection(request: pytest.FixtureRequest) -> Iterator[http.client.HTTPConnection]:
    if request.param == "plain":
        server = request.getfixturevalue("server")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    else:
        server = request.getfixturevalue("tls")
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60,
                                                 context=server.trust)
    yield connection
    connection.close()


def exchange(connection: http.client.HTTPConnection, *args, **kwargs) -> tuple[int, bytes]:
    connection.request(*args, **kwargs)
    with connection.getresponse() as response:
        return response.status, response.read()


def test_http_client_reuses_one_connection_for_everything(
        connection: http.client.HTTPConnection) -> None:
    """M, RFC 9112 §9.3: every method, framing and status, on the same socket."""
    assert exchange(connection, "GET", "/hello") == (200, b"hello")
    socket = connection.sock
    assert exchange(connection, "POST", "/echo", BODY) == (200, BODY)
    pieces = [BODY[:10], BODY[10:70_000], BODY[70_000:]]
    assert exchange(connection, "POST", "/echo", iter(pieces), encode_chunked=True) == (200, BODY)
    assert exchange(connection, "PUT", "/echo", b"") == (200, b"")
    assert exchange(connection, "HEAD", "/hello") == (200, b"")
    assert exchange(connection, "HEAD", "/stream") == (200, b"")
    assert exchange(connection, "GET", "/stream?pieces=5") == (200, b"piece " * 5)
    assert exchange(connection, "GET", "/nothing") == (204, b"")
    assert exchange(connection, "GET", "/unchanged") == (304, b"")
    assert exchange(connection, "GET", "/nowhere") == (404, b"not found")
    assert exchange(connection, "DELETE", "/hello")[0] == 405
    status, body = exchange(connection, "GET", f"/big?n={3 * MIB}")
    assert status == 200 and len(body) == 3 * MIB
    zipped = exchange(
        connection, "POST", "/echo", gzip.compress(BODY), {"Content-Encoding": "gzip"}
    )
    assert zipped == (200, BODY)
    assert connection.sock is socket is not None, "the connection was not reused"


def test_http_client_sees_the_end_of_a_connection(connection: http.client.HTTPConnection) -> None:
    """M, RFC 9112 §9.6."""
    connection.request("GET", "/hello", headers={"Connection": "close"})
    with connection.getresponse() as response:
        assert response.read() == b"hello"
        assert response.will_close


def test_http_client_as_a_1_0_client(server: Server) -> None:
    """M, RFC 9112 §9.3."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"
    for path, body in (("/hello", b"hello"), ("/stream", b"piece " * 3)):
        assert exchange(connection, "GET", path) == (200, body)
        connection.close()


# ---------------------------------------------------------------- curl

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl command")


def curl(server: Server, path: str, *options: str) -> bytes:
    scheme = "https" if server.trust else "http"
    done = subprocess.run(
        [
            "curl",
            "-q",
            "-sS",
            "--noproxy",
            "*",
            "-m",
            "60",
            *options,
            f"{scheme}://localhost:{server.port}{path}",
            "--resolve",
            f"localhost:{server.port}:127.0.0.1",
        ],
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, (
        f"curl {options} {path}: {done.stderr.decode()}\n{done.stdout[:500]!r}"
    )
    return done.stdout


@needs_curl
@pytest.mark.parametrize(("path", "options", "expected"), [
    ("/hello", [], b"hello"),
    ("/hello", ["--http1.0"], b"hello"),
    ("/stream", [], b"piece " * 3),
    ("/stream", ["--http1.0"], b"piece " * 3),
    ("/stream", ["--http1.0", "-H", "Connection: keep-alive"], b"piece " * 3),
    ("/nowhere", [], b"not found"),
    ("/echo", ["-d", "a=b"], b"a=b"),
    ("/echo", ["-X", "POST"], b""),
    ("/echo", ["-d", "a=b", "-H", "Transfer-Encoding: chunked"], b"a=b"),
    ("/echo", ["-d", "a=b", "-H", "Expect: 100-continue", "--expect100-timeout", "90"], b"a=b"),
    ("/echo", ["-d", "a=b", "-H", "Expect: 100-continue", "--expect100-timeout", "90",
               "-H", "Transfer-Encoding: chunked"], b"a=b"),
    ("/hello", ["--http2"], b"hello"),
    ("/", ["--request-target", "http://lab/hello"], b"hello"),
    ("/hello", ["--compressed"], b"hello"),
    ("/hello", ["-H", "Connection: close"], b"hello"),
    ("/nothing", [], b""),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_curl_gets_what_it_asks_for(
        server: Server, path: str, options: list[str], expected: bytes) -> None:
    """M: curl fails by itself on framing it cannot take, and waits longer for a 100 than it may."""
    assert curl(server, path, *options) == expected


@needs_curl
def test_curl_reuses_a_connection(server: Server) -> None:
    """M, RFC 9112 §9.3: also behind HEAD, 204, 304, 404 and streamed answers."""
    others = [f"http://localhost:{server.port}{path}" for path in
              ("/nothing", "/unchanged", "/nowhere", "/stream", "/hello")]
    out = curl(server, "/hello", *others, "-o", "/dev/null", *["-o", "/dev/null"] * len(others),
               "-w", "%{num_connects} ")
    assert out.split() == [b"1"] + [b"0"] * len(others), (
        "connections opened for each: " + out.decode()
    )
    head = curl(server, "/big?n=1000", "-I").lower()
    assert b"content-length: 1000\r\n" in head, head


@needs_curl
def test_curl_uploads_a_file(server: Server, tmp_path: Path) -> None:
    """M: 2 MiB, by length, chunked, behind a 100, and compressed."""
    body = bytes(range(256)) * 8192
    file, zipped = tmp_path / "file", tmp_path / "file.gz"
    file.write_bytes(body)
    zipped.write_bytes(gzip.compress(body, 1))
    binary = ["-H", "Content-Type: application/octet-stream"]
    for options in (["-T", str(file)], ["-T", str(file), "-H", "Transfer-Encoding: chunked"],
                    ["--data-binary", f"@{file}", "-H", "Expect: 100-continue"],
                    ["--data-binary", f"@{zipped}", "-H", "Content-Encoding: gzip"]):
        assert curl(server, "/echo", *options, *binary) == body, f"curl {options}"


@needs_curl
@pytest.mark.parametrize("version", [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3"]],
                         ids=["1.2", "1.3"])
def test_curl_speaks_tls(tls: Server, certificate: Certificate, version: list[str]) -> None:
    """M."""
    trust = ["--cacert", certificate.options["certfile"], *version]
    assert curl(tls, "/hello", *trust) == b"hello"
    assert len(curl(tls, f"/big?n={5 * MIB}", *trust)) == 5 * MIB
    assert curl(tls, "/echo", "-d", "a=b", *trust) == b"a=b"


def test_openssl_speaks_tls(tls: Server, certificate: Certificate) -> None:
    """M."""
    for version in ("-tls1_2", "-tls1_3"):
        done = subprocess.run(
            [
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{tls.port}",
                version,
                "-quiet",
                "-ign_eof",
                "-CAfile",
                certificate.options["certfile"],
                "-verify_return_error",
            ],
            input=b"GET /hello HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n",
            capture_output=True,
            timeout=60,
        )
        assert done.stdout.endswith(b"\r\n\r\nhello"), (version, done.stdout, done.stderr[-500:])
