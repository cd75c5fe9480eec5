"""Requests to the demo, for the tracer's tests: every route, and every way of asking wrongly."""

from __future__ import annotations

import gzip
from typing import Any

from minitornado.demo.application import ROUTES

FORM = b"a=1&b=2&b=&c=%20"
PARTS = (
    b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
    b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n"
    b"Content-Type: text/plain\r\n\r\nhi\r\n--x--\r\n"
)  # fmt: skip
CHUNKED = b"4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\n\r\n"

# What a number in the query is for this test: no route may take long, or be large.
NUMBERS = {"/big": "70000", "/slow": "0.01", "/block": "0.01", "/status": "404"}


def request(method: str, target: str, *fields: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: a", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def posted(target: str, body: bytes, content_type: str, *fields: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    return request("POST", target, f"Content-Type: {content_type}", length, *fields, body=body)


def targets() -> dict[str, str]:
    """Every route, with its query."""
    return {
        path: path + (f"?{route.number.name}={NUMBERS[path]}" if route.number else "")
        for path, route in ROUTES.items()
    }


def requests() -> dict[str, bytes]:
    """Every route by GET, HEAD and POST, whether it takes that or not; wrong ones; all bodies."""
    found = {
        f"{method} {target}": request(method, target, *(["Content-Length: 0"] * (method == "POST")))
        for target in targets().values()
        for method in ("GET", "HEAD", "POST")
    }
    for code in (200, 204, 205, 304, 599):
        found[f"status {code}"] = request("GET", f"/status?code={code}")
    return found | {
        "404": request("GET", "/nothing"),
        "405": request("DELETE", "/hello"),
        "no number": request("GET", "/big"),
        "two numbers": request("GET", "/big?n=1&n=2&m="),
        "number out of range": request("GET", "/status?code=999"),
        "expects 100": posted("/echo", b"x", "text/plain", "Expect: 100-continue"),
        "form": posted("/echo", FORM, "application/x-www-form-urlencoded"),
        "multipart form": posted("/echo", PARTS, "multipart/form-data; boundary=x"),
        "form to 404": posted("/nothing?a=b", FORM, "application/x-www-form-urlencoded"),
        "malformed multipart": posted("/echo", b"--x\r\nno", "multipart/form-data; boundary=x"),
        "chunked": request("POST", "/echo", "Transfer-Encoding: chunked", body=CHUNKED),
        "cookies": request("GET", "/hello", "Cookie: a=b; c=d", "X-A: 1", "X-A: 2"),
        "close": request("GET", "/hello", "Connection: close"),
        "HTTP/1.0": b"GET /hello HTTP/1.0\r\nHost: a\r\n\r\n",
        "HTTP/1.0 keep-alive": b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "no host": b"GET /hello HTTP/1.1\r\n\r\n",
        "no request": b"hello\r\n\r\n",
        "bad chunk": request("POST", "/echo", "Transfer-Encoding: chunked", body=b"zz\r\n"),
        "two lengths": request("POST", "/echo", "Content-Length: 1", "Content-Length: 2"),
        "unknown coding": request("POST", "/echo", "Transfer-Encoding: gzip"),
        "folded field": request("GET", "/hello", "X-A: 1\r\n 2"),
        "absolute target": request("GET", "http://a/hello?b=c"),
    }


def with_options() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Requests to a server that was made with options."""
    packed = gzip.compress(b"hello" * 1000)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    unpacks = {"decompress_request": True}
    coding = ("Content-Encoding: gzip", "Transfer-Encoding: chunked")
    forwarded = ("X-Forwarded-For: 1.2.3.4, 5.6.7.8", "X-Forwarded-Proto: https")
    return {
        "gzip": (posted("/echo", packed, "text/plain", "Content-Encoding: gzip"), unpacks),
        "gzip in chunks": (request("POST", "/echo", *coding, body=chunked), unpacks),
        "bad gzip": (posted("/echo", b"no", "text/plain", "Content-Encoding: gzip"), unpacks),
        "large body": (posted("/echo", b"x" * 100, "text/plain"), {"max_body_size": 10}),
        "behind a proxy": (request("GET", "/remote", *forwarded), {"xheaders": True}),
    }
