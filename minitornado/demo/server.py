"""The demo server: HTTPServer with the demo application, and a line in the log for every request.

The application logs what it answers, `http1connection` what it can't read.  What is left are
requests that end in the middle: nobody is called for half a request, so nobody would tell.
"""

from __future__ import annotations

from typing import Any

from ..httpserver import Application, HTTPServer, _ServerRequestAdapter
from ..log import access_log
from .application import application


class DemoServer(HTTPServer):
    """Serves the demo application, or another one that stands in front of it."""

    def __init__(self, request_callback: Application = application, **options: Any) -> None:
        """Take the options of HTTPServer."""
        super().__init__(request_callback, **options)

    def start_request(self, server_conn: Any, request_conn: Any) -> _ServerRequestAdapter:
        """Return an adapter that logs what it will not hand to the application."""
        return _LoggingAdapter(self, server_conn, request_conn)


class _LoggingAdapter(_ServerRequestAdapter):
    __slots__ = ()

    def on_connection_close(self) -> None:
        if self.request is not None:
            method, uri, ip = self.request.method, self.request.uri, self.request.remote_ip
            access_log.info("--- %s %a (%s): its body ended before its time", method, uri, ip)
        super().on_connection_close()
