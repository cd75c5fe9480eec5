"""Fuzzing with the code's coverage as its guide; run by hand, since it never ends by itself.

    python -m pip install atheris
    python tests/fuzz_atheris.py -max_total_time=60
    python tests/fuzz_atheris.py crash-...   # what it has found, once more

Options are libFuzzer's.  It begins with requests of every kind, bends what leads it to code that
it has not seen, and keeps that in the temporary directory, in minitornado-fuzz-corpus: the next
run goes on from there.  The first byte says where the rest is cut and what is done with it: through
a whole connection, as in test_fuzz.py and with the same second reading, or to the parsers.
"""

from __future__ import annotations

import contextlib
import logging
import random
import sys
import tempfile
from pathlib import Path


def instrumented() -> contextlib.AbstractContextManager[object]:
    """Let atheris see which code runs, if this is its run and not a test of the file."""
    if __name__ != "__main__":
        return contextlib.nullcontext()
    sys.path.append(str(Path(__file__).parents[1]))
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: python -m pip install atheris")
    return atheris.instrument_imports(include=["minitornado"])  # type: ignore[no-any-return]


with instrumented():
    import fuzz_oracle as oracle
    from fuzz_wire import MAX_BODY, exchange

    from minitornado import httputil
    from minitornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest
    from minitornado.ioloop import IOLoop

SEEDS = [
    b"\x00GET /a?b=c HTTP/1.1\r\nHost: a:80\r\nConnection: keep-alive, x\r\n\r\n",
    b"\x01POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
    b"\x02POST http://b/ HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nabcde\r\n0\r\nX: 1\r\n\r\n",
    b"\x05\r\nHEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET * HTTP/1.0\r\n\r\n",
    b"\xfe--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=utf-8''%e2%82%ac\r\n\r\n"
    b"x\r\n--b--",
    b'\xffa=1&b=%e4+&=; c="\\"\\073"; d',
]

# What to glue in: by chance alone these seldom come where they matter.
SPLINTERS = [
    b"+", b"-", b"_", b"0x", b"\x0b", b"\x00", b"\x85", b"\xa0", b"\xb2", b" ", b"\t", b",", b";",
    b":", b"\n", b"\r", b"\r\n", b"chunked", b"identity", b"HTTP/1.0", b"http://", b"%41",
    b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Host: b\r\n",
    b"filename*=utf-8''", b"Connection: close\r\n", b"--b\r\n", b"--b--",
    b"Content-Disposition: form-data; name=",
]


def try_one(loop: IOLoop, data: bytes) -> None:
    """Raise if something is wrong with how these bytes are taken."""
    if not data:
        return
    how, data = data[0], data[1:]
    if how >= 0xF0:
        return parse(data)
    size = how + 1 if how else len(data) or 1
    result = exchange(loop, [data[at : at + size] for at in range(0, len(data), size)])
    expected, end = oracle.read(data, MAX_BODY)
    assert result.accepted == expected, (result, expected, end)
    refusals = result.statuses[len(expected) :]
    assert len(refusals) <= (end == "refused"), (result, end)
    assert set(refusals) <= {400, 413, 414, 431, 501, 505}, refusals


def parse(data: bytes) -> None:
    text = data.decode("latin-1")
    httputil.parse_multipart_form_data(b"b", data, {}, {})
    httputil.parse_qs_bytes(data)
    for function in (httputil.parse_response_start_line, HTTPHeaders.parse):
        with contextlib.suppress(HTTPInputError):
            function(text)
    fields = HTTPHeaders({"Cookie": text, "Content-Type": text})
    request = HTTPServerRequest("POST", "/?" + text, headers=fields, body=data)
    request._parse_body()
    assert set(request.cookies) <= set(httputil.parse_cookie(text))
    assert isinstance(request.arguments, dict)


def main() -> None:
    import atheris

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        """Glue something in, or let libFuzzer do what it thinks best."""
        rng = random.Random(seed)
        if rng.random() < 0.5:
            at = rng.randint(0, len(data))
            return (data[:at] + rng.choice(SPLINTERS) + data[at:])[:max_size]
        return bytes(atheris.Mutate(data, max_size))

    logging.disable(logging.CRITICAL)
    loop = IOLoop()
    arguments = list(sys.argv)
    if not any(not argument.startswith("-") for argument in arguments[1:]):
        corpus = Path(tempfile.gettempdir(), "minitornado-fuzz-corpus")
        corpus.mkdir(exist_ok=True)
        for number, seed in enumerate(SEEDS):
            (corpus / f"seed-{number}").write_bytes(seed)
        arguments.append(str(corpus))
    atheris.Setup(arguments, lambda data: try_one(loop, data), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
