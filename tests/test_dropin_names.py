"""A server program written for Tornado 4.4 finds its names here: modules, classes, parameters.

The table holds facts about Tornado 4.4.3: what can be called, with which parameters and
defaults.  All of them are here, but for two that are left out everywhere, `callback` and
`streaming_callback`: a Future is returned in their place.
Ours may take more parameters, behind those, with defaults.

With TORNADO44_PYTHON set to an interpreter that has Tornado 4.4.3, the table itself is checked
against the original.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from doubles import fake_loop

pytestmark = pytest.mark.deadline(120)

# A class stands for what it takes to make one.
TABLE = """
ioloop IOLoop(make_current=None)
ioloop IOLoop.instance()
ioloop IOLoop.initialized()
ioloop IOLoop.install(self)
ioloop IOLoop.clear_instance()
ioloop IOLoop.current(instance=True)
ioloop IOLoop.make_current(self)
ioloop IOLoop.clear_current()
ioloop IOLoop.start(self)
ioloop IOLoop.stop(self)
ioloop IOLoop.close(self, all_fds=False)
ioloop IOLoop.run_sync(self, func, timeout=None)
ioloop IOLoop.time(self)
ioloop IOLoop.add_callback(self, callback, *args, **kwargs)
ioloop IOLoop.add_callback_from_signal(self, callback, *args, **kwargs)
ioloop IOLoop.spawn_callback(self, callback, *args, **kwargs)
ioloop IOLoop.add_future(self, future, callback)
ioloop IOLoop.add_timeout(self, deadline, callback, *args, **kwargs)
ioloop IOLoop.call_later(self, delay, callback, *args, **kwargs)
ioloop IOLoop.call_at(self, when, callback, *args, **kwargs)
ioloop IOLoop.remove_timeout(self, timeout)
ioloop IOLoop.add_handler(self, fd, handler, events)
ioloop IOLoop.update_handler(self, fd, events)
ioloop IOLoop.remove_handler(self, fd)
ioloop IOLoop.split_fd(self, fd)
ioloop IOLoop.close_fd(self, fd)
ioloop IOLoop.handle_callback_exception(self, callback)
ioloop PeriodicCallback(callback, callback_time, io_loop=None)
ioloop PeriodicCallback.start(self)
ioloop PeriodicCallback.stop(self)
ioloop PeriodicCallback.is_running(self)
iostream BaseIOStream(io_loop=None, max_buffer_size=None, read_chunk_size=None, max_write_buffer_size=None)
iostream BaseIOStream.fileno(self)
iostream BaseIOStream.close_fd(self)
iostream BaseIOStream.read_from_fd(self)
iostream BaseIOStream.write_to_fd(self, data)
iostream BaseIOStream.get_fd_error(self)
iostream BaseIOStream.read_until(self, delimiter, callback=None, max_bytes=None)
iostream BaseIOStream.read_until_regex(self, regex, callback=None, max_bytes=None)
iostream BaseIOStream.read_bytes(self, num_bytes, callback=None, streaming_callback=None, partial=False)
iostream BaseIOStream.read_until_close(self, callback=None, streaming_callback=None)
iostream BaseIOStream.write(self, data, callback=None)
iostream BaseIOStream.close(self, exc_info=False)
iostream BaseIOStream.set_close_callback(self, callback)
iostream BaseIOStream.set_nodelay(self, value)
iostream BaseIOStream.reading(self)
iostream BaseIOStream.writing(self)
iostream BaseIOStream.closed(self)
iostream IOStream(socket, *args, **kwargs)
iostream IOStream.connect(self, address, callback=None, server_hostname=None)
iostream SSLIOStream.connect(self, address, callback=None, server_hostname=None)
iostream SSLIOStream.wait_for_handshake(self, callback=None)
iostream StreamClosedError(real_error=None)
tcpserver TCPServer(io_loop=None, ssl_options=None, max_buffer_size=None, read_chunk_size=None)
tcpserver TCPServer.listen(self, port, address='')
tcpserver TCPServer.add_sockets(self, sockets)
tcpserver TCPServer.add_socket(self, socket)
tcpserver TCPServer.bind(self, port, address=None, family=0, backlog=128, reuse_port=False)
tcpserver TCPServer.start(self, num_processes=1)
tcpserver TCPServer.stop(self)
tcpserver TCPServer.handle_stream(self, stream, address)
httpserver HTTPServer(request_callback, no_keep_alive=False, io_loop=None, xheaders=False, ssl_options=None, protocol=None, decompress_request=False, chunk_size=None, max_header_size=None, idle_connection_timeout=None, body_timeout=None, max_body_size=None, max_buffer_size=None)
httpserver HTTPServer.close_all_connections(self)
httpserver HTTPServer.handle_stream(self, stream, address)
httpserver HTTPServer.start_request(self, server_conn, request_conn)
httpserver HTTPServer.on_close(self, server_conn)
httpserver _HTTPRequestContext(stream, address, protocol)
httpserver _HTTPRequestContext._apply_xheaders(self, headers)
httpserver _HTTPRequestContext._unapply_xheaders(self)
httpserver _ServerRequestAdapter(server, server_conn, request_conn)
httpserver _ServerRequestAdapter.headers_received(self, start_line, headers)
httpserver _ServerRequestAdapter.data_received(self, chunk)
httpserver _ServerRequestAdapter.finish(self)
httpserver _ServerRequestAdapter.on_connection_close(self)
httpserver _ServerRequestAdapter._cleanup(self)
http1connection HTTP1ConnectionParameters(no_keep_alive=False, chunk_size=None, max_header_size=None, header_timeout=None, max_body_size=None, body_timeout=None, decompress=False)
http1connection HTTP1Connection(stream, is_client, params=None, context=None)
http1connection HTTP1Connection.read_response(self, delegate)
http1connection HTTP1Connection.write_headers(self, start_line, headers, chunk=None, callback=None)
http1connection HTTP1Connection.write(self, chunk, callback=None)
http1connection HTTP1Connection.finish(self)
http1connection HTTP1Connection.close(self)
http1connection HTTP1Connection.detach(self)
http1connection HTTP1Connection.set_close_callback(self, callback)
http1connection HTTP1Connection.set_body_timeout(self, timeout)
http1connection HTTP1Connection.set_max_body_size(self, max_body_size)
http1connection HTTP1ServerConnection(stream, params=None, context=None)
http1connection HTTP1ServerConnection.close(self)
http1connection HTTP1ServerConnection.start_serving(self, delegate)
httputil HTTPHeaders(*args, **kwargs)
httputil HTTPHeaders.add(self, name, value)
httputil HTTPHeaders.get_list(self, name)
httputil HTTPHeaders.get_all(self)
httputil HTTPHeaders.parse_line(self, line)
httputil HTTPHeaders.parse(headers)
httputil HTTPHeaders.copy(self)
httputil HTTPServerRequest(method=None, uri=None, version='HTTP/1.0', headers=None, body=None, host=None, files=None, connection=None, start_line=None)
httputil HTTPServerRequest.supports_http_1_1(self)
httputil HTTPServerRequest.write(self, chunk, callback=None)
httputil HTTPServerRequest.finish(self)
httputil HTTPServerRequest.full_url(self)
httputil HTTPServerRequest.request_time(self)
httputil HTTPServerRequest.get_ssl_certificate(self, binary_form=False)
httputil HTTPServerConnectionDelegate.start_request(self, server_conn, request_conn)
httputil HTTPServerConnectionDelegate.on_close(self, server_conn)
httputil HTTPMessageDelegate.headers_received(self, start_line, headers)
httputil HTTPMessageDelegate.data_received(self, chunk)
httputil HTTPMessageDelegate.finish(self)
httputil HTTPMessageDelegate.on_connection_close(self)
httputil HTTPConnection.write_headers(self, start_line, headers, chunk=None, callback=None)
httputil HTTPConnection.write(self, chunk, callback=None)
httputil HTTPConnection.finish(self)
httputil url_concat(url, args)
httputil parse_body_arguments(content_type, body, arguments, files, headers=None)
httputil parse_multipart_form_data(boundary, data, arguments, files)
httputil format_timestamp(ts)
httputil parse_request_start_line(line)
httputil parse_response_start_line(line)
httputil parse_cookie(cookie)
httputil split_host_and_port(netloc)
netutil bind_sockets(port, address=None, family=0, backlog=128, flags=None, reuse_port=False)
netutil bind_unix_socket(file, mode=384, backlog=128)
netutil add_accept_handler(sock, callback, io_loop=None)
netutil is_valid_ip(ip)
netutil ssl_options_to_context(ssl_options)
netutil ssl_wrap_socket(socket, ssl_options, server_hostname=None, **kwargs)
process cpu_count()
process fork_processes(num_processes, max_restarts=100)
process task_id()
concurrent Future()
concurrent Future.cancel(self)
concurrent Future.cancelled(self)
concurrent Future.running(self)
concurrent Future.done(self)
concurrent Future.result(self, timeout=None)
concurrent Future.exception(self, timeout=None)
concurrent Future.exc_info(self)
concurrent Future.add_done_callback(self, fn)
concurrent Future.set_result(self, result)
concurrent Future.set_exception(self, exception)
concurrent Future.set_exc_info(self, exc_info)
concurrent is_future(x)
concurrent chain_future(a, b)
gen coroutine(func, replace_callback=True)
gen Return(value=None)
gen sleep(duration)
gen with_timeout(timeout, future, io_loop=None, quiet_exceptions=())
gen maybe_future(x)
gen convert_yielded(yielded)
gen multi(children, quiet_exceptions=())
"""  # noqa: E501

LINES = [line for line in TABLE.splitlines() if line]

# Parameters that are left out, everywhere, as Tornado 6 has left them out.
LEFT_OUT = {"callback", "streaming_callback"}

# What stands in the table and is not here, and why.
DEPARTURES = {
    "gen coroutine": {"replace_callback"},  # how return_future's callbacks were told apart
}


def parse(line: str) -> tuple[str, str, inspect.Signature]:
    module, call = line.split(" ", 1)
    name, _, parameters = call[:-1].partition("(")
    return module, name, inspect.signature(eval(f"lambda {parameters}: 0"))


def find(module: str, name: str) -> Any:
    found: Any = importlib.import_module(f"minitornado.{module}")
    for part in name.split("."):
        found = getattr(found, part)
    return found


def rows() -> Iterator[Any]:
    for line in LINES:
        name = line.split("(")[0]
        yield pytest.param(line, id=name)


@pytest.mark.parametrize("line", list(rows()))
def test_a_call_written_for_tornado_fits(line: str):
    module, name, theirs = parse(line)
    ours = inspect.signature(find(module, name))
    departures = DEPARTURES.get(f"{module} {name}", set())
    wanted = [
        parameter
        for parameter in theirs.parameters.values()
        if parameter.name not in departures
        and not (parameter.name in LEFT_OUT and parameter.default is None)
    ]
    got = list(ours.parameters.values())
    varied = [p for p in wanted if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    plain = [p for p in wanted if p not in varied]
    assert [p.name for p in got][: len(plain)] == [p.name for p in plain]
    for mine, other in zip(got, plain, strict=False):
        assert mine.kind in (mine.POSITIONAL_OR_KEYWORD, mine.POSITIONAL_ONLY)
        # What had to be given may be left out here; what could be left out means the same.
        assert other.default in (other.empty, mine.default), f"{mine.name}={mine.default!r}"
    for other in varied:
        assert any(mine.kind == other.kind for mine in got)
    for extra in got[len(plain) :]:
        assert extra.default is not extra.empty or extra.kind in (
            extra.VAR_POSITIONAL,
            extra.VAR_KEYWORD,
        ), f"{extra.name} is required, and nobody gives it"


# Names that are no calls: exceptions with what they can be caught as, constants, data.
ERRORS = {
    "ioloop.TimeoutError": Exception,
    "iostream.StreamClosedError": IOError,
    "iostream.UnsatisfiableReadError": Exception,
    "iostream.StreamBufferFullError": Exception,
    "httputil.HTTPInputError": Exception,
    "httputil.HTTPOutputError": Exception,
    "gen.TimeoutError": Exception,
    "gen.BadYieldError": Exception,
    "gen.Return": Exception,
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_exception_can_be_caught_as_before(name: str):
    module, _, error = name.partition(".")
    assert issubclass(find(module, error), ERRORS[name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ioloop IOLoop.NONE", 0),
        ("ioloop IOLoop.READ", 1),
        ("ioloop IOLoop.WRITE", 4),
        ("ioloop IOLoop.ERROR", 24),
        ("log access_log.name", "tornado.access"),
        ("log app_log.name", "tornado.application"),
        ("log gen_log.name", "tornado.general"),
        ("httputil RequestStartLine._fields", ("method", "path", "version")),
        ("httputil ResponseStartLine._fields", ("version", "code", "reason")),
    ],
)
def test_a_constant_has_its_value(name: str, value: Any):
    assert find(*name.split(" ")) == value


@pytest.mark.parametrize(
    "name",
    [
        "httputil HTTPFile",
        "httputil responses",
        "httputil HTTPServerRequest.cookies",
        "gen moment",
        "gen Runner",
        "iostream SSLIOStream",
    ],
)
def test_a_name_is_there(name: str):
    assert find(*name.split(" ")) is not None


def test_what_subclasses_what():
    assert issubclass(find("iostream", "IOStream"), find("iostream", "BaseIOStream"))
    assert issubclass(find("iostream", "SSLIOStream"), find("iostream", "IOStream"))
    server = find("httpserver", "HTTPServer")
    assert issubclass(server, find("tcpserver", "TCPServer"))
    assert issubclass(server, find("httputil", "HTTPServerConnectionDelegate"))
    adapter = find("httpserver", "_ServerRequestAdapter")
    assert issubclass(adapter, find("httputil", "HTTPMessageDelegate"))
    connection = find("http1connection", "HTTP1Connection")
    assert issubclass(connection, find("httputil", "HTTPConnection"))


def test_attributes_that_programs_look_at():
    loop, _ = fake_loop()
    base = find("iostream", "BaseIOStream")(loop)
    for name in ("io_loop", "error", "max_buffer_size", "read_chunk_size", "max_write_buffer_size"):
        assert hasattr(base, name)
    periodic = find("ioloop", "PeriodicCallback")(lambda: None, 5, io_loop=loop)
    for name in ("callback", "callback_time", "io_loop"):
        assert hasattr(periodic, name)
    server = find("tcpserver", "TCPServer")()
    for name in ("io_loop", "ssl_options", "max_buffer_size", "read_chunk_size"):
        assert hasattr(server, name)
    loop.close()


# ---- the table itself ----

# Run by the interpreter that has Tornado: reads the table's names, writes their signatures.
JUDGE = """
import collections, collections.abc, inspect, json, sys
for name in ("MutableMapping", "Mapping", "Iterable", "Callable", "MutableSet", "Hashable"):
    setattr(collections, name, getattr(collections.abc, name))  # gone since Python 3.10
import importlib
from tornado.util import Configurable
found = {}
for line in json.load(sys.stdin):
    module, name = line.split(" ")
    it = importlib.import_module("tornado." + module)
    for part in name.split("."):
        it = getattr(it, part)
    if inspect.isclass(it):
        make = it.initialize if issubclass(it, Configurable) else it.__init__
        signature = inspect.signature(make)
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    else:
        signature = inspect.signature(it)
    found[line] = [[p.name, str(p.kind), repr(getattr(p.default, "value", p.default))]
                   for p in signature.parameters.values()]
json.dump(found, sys.stdout)
"""


def test_the_table_is_true_of_the_real_tornado():
    python = os.environ.get("TORNADO44_PYTHON")
    if not python:
        pytest.skip("needs Tornado 4.4.3: set TORNADO44_PYTHON to an interpreter that has it")
    names = [line.split("(")[0] for line in LINES]
    done = subprocess.run(
        [python, "-W", "ignore", "-c", JUDGE],
        input=json.dumps(names), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    real = json.loads(done.stdout)
    ours = {
        f"{module} {name}": [
            [p.name, str(p.kind), repr(p.default)] for p in signature.parameters.values()
        ]
        for module, name, signature in map(parse, LINES)
    }
    assert ours == real
