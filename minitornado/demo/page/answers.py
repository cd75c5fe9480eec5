"""How the page answers: kept in no cache, and in no log, since who watches is not to be seen."""

from __future__ import annotations

from minitornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine, responses


def answer(
    request: HTTPServerRequest,
    status: int,
    body: str,
    content_type: str = "text/plain",
    **fields: str,
) -> None:
    """Write a whole answer."""
    data = body.encode()
    fields |= {"Content-Type": content_type, "Content-Length": str(len(data))}
    start(request, status, fields, data)
    request.connection.finish()


def start(
    request: HTTPServerRequest, status: int, fields: dict[str, str], chunk: bytes
) -> None:
    """Write the head of an answer, and `chunk` with it."""
    fields |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    line = ResponseStartLine("HTTP/1.1", status, responses[status])
    request.connection.write_headers(line, HTTPHeaders(fields), chunk)
