# %% [markdown]
# # 11 · HTTPServer and `_ServerRequestAdapter`
#
# **Why an adapter at all?**
#
# Below it, everything speaks in events: *the head is here*, *a piece of the body is here*, *that
# was all*. Above it stands your function, which would like to be called once, with a whole
# request. On this page you see the class that stands in between. It is small. You read all of it.
#
# **You need** Python, and 25 minutes. If you have seen a loop at work before, in notebook 00, all
# the better. You need to know nothing of HTTP but that a request has a head and, sometimes, a body.
#
# *All of it has been run already, so you can just read. It is better to run it yourself:
# Shift-Enter, cell by cell, from the top. Then your own guesses stand beside what happened.*

# %% [markdown]
# ## The clerk and the tray
#
# Imagine an office where letters arrive page by page. A page now, a page in an hour. Sometimes the
# last page never comes.
#
# The director does not want pages. She wants a letter. So a clerk sits at her door. For each letter
# he takes an empty tray. On the first page is written whom the letter is from, and how long it is.
# He takes note of that. The other pages go into the tray. When the last is there, he puts them
# together, knocks, and hands the letter in. And if the sender dies in the middle? Then he empties
# the tray, and does not knock.
#
# The clerk is the **adapter**. The pages are **events**, and each is a call of one of his four
# methods. The director is your function.
#
# Next door sits another director, who would rather see each page as it comes. Her books are too
# thick for any tray. For her the clerk passes on what he gets. In this house she is called a
# **delegate**.

# %%
from minitornado.classroom import nb11

nb11.adapter()

# %% [markdown]
# `HTTPServer` itself does little more than to hire clerks. It is told of three things: a connection
# is there (`handle_stream`), a request is expected on it (`start_request`), it has ended
# (`on_close`).

# %% [markdown]
# ## Predict
#
# A client sends a request with ten bytes of body: the head and *hello* first, and *world* a little
# later. The function that is to answer sends back what it was sent.
#
# To choose, write your letter into the cell, like this: `predict("P11.1", "b")`. Then run it. What
# is right stays locked until then. If you only read, click on what you believe.

# %%
from minitornado.classroom.predict import compare, predict

predict("P11.1")

# %%
predict("P11.2")

# %%
predict("P11.3")

# %%
predict("P11.4")

# %% [markdown]
# ## Run
#
# `echo` is the application, and `TWO_PIECES` is the client: a list of moves over a real socket. The
# next move comes when the server has nothing to do.

# %%
from minitornado.httpserver import HTTPServer
from minitornado.httputil import ResponseStartLine
from minitornado.trace import drive, tracing


def echo(request):
    answer(request, request.body)


def answer(request, body):
    fields = {"Content-Length": str(len(body))}
    start_line = ResponseStartLine("HTTP/1.1", 200, "OK")
    request.connection.write_headers(start_line, fields, body)
    request.connection.finish()


HEAD = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"

TWO_PIECES = [
    ("connect", "client"),
    ("send", "client", HEAD + b"hello"),
    ("send", "client", b"world"),
    ("recv", "client"),
    ("close", "client"),
]


def serve(application, moves, **options):
    """Serve the client; return the trace of it, and what the client received."""
    server = HTTPServer(application, **options)
    with tracing() as trace:
        client = drive(server, moves)
    server.io_loop.close(all_fds=True)
    return trace, client.answers["c1"]


trace, received = serve(echo, TWO_PIECES)
print(received.decode().splitlines()[0])
print(received.decode().splitlines()[-1])

# %% tags=["check"]
assert received.startswith(b"HTTP/1.1 200 OK\r\n") and received.endswith(b"\r\n\r\nhelloworld")
assert trace.check(sent={"c1": len(HEAD) + 10}, received={"c1": len(received)}) == []
assert serve(echo, TWO_PIECES)[0].canonical() == trace.canonical()

# %% [markdown]
# ## What happened
#
# Everything that the server and its adapters were told, in order. In the last column stands whom
# they called while they were told of it. *c1r1* is the first request on the first connection.

# %%
nb11.conversation(trace)

# %% [markdown]
# Read it from the top.
#
# **Turn 1.** The client has connected, and has not said a word. Yet there is an adapter already.
# Whoever is to receive the first byte has to be there before it.
#
# **Turn 2.** The head is here, and with it half of the body. The adapter is told twice. At the head
# it makes the request object. At the piece it calls nobody. The piece lies in the tray.
#
# **Turn 3.** The other half. Now the body has the length that the head has promised, so the message
# is complete: `finish`. Inside of it, and only there, your function is called.
#
# **And right afterwards** there is an adapter for `c1r2`, a second request that never comes. The
# server does not know that.
#
# Between the turns nothing of this is running. What there is between *hello* and *world* is five
# bytes in a list, and a coroutine that waits.

# %%
from minitornado.trace.views import Lanes

Lanes(trace, req="c1r1", title="A body in two pieces, and one call")

# %% [markdown]
# Look for the column of the adapter, the last but one. All arrows into it come from
# `HTTP1Connection`. Only one leads on, to the right, into the application.

# %% tags=["check"]
from minitornado.trace.views.lanes import ADAPTER, APP, HTTP1

app = next(event for event in trace if event.kind == "call" and event.step == "app")
told = nb11.said_by(trace)
assert [name.rpartition(".")[2] for name in told if "Adapter" in name] == [
    "__init__", "headers_received", "data_received", "data_received", "finish", "__init__"]
turns = {event.step: event.turn for event in trace if event.kind == "call"}
by_turn = [(event.turn, event.step) for event in trace if event.kind == "call" and event.req]
assert (1, "new-adapter") in by_turn
assert [step for turn, step in by_turn if turn == 2 and step in turns
        and step in ("headers-received", "data-received", "dispatch")] == [
    "headers-received", "data-received"]
assert [step for turn, step in by_turn if turn == 3 and step in (
    "data-received", "dispatch", "app", "new-adapter")] == [
    "data-received", "dispatch", "app", "new-adapter"]
assert [event.req for event in trace if event.step == "new-adapter" and event.kind == "call"] == [
    "c1r1", "c1r2"]
lanes = Lanes(trace, req="c1r1")
assert {row.caller for row in lanes.rows if row.lane == ADAPTER} == {HTTP1}
assert [row.label for row in lanes.rows if row.caller == ADAPTER] == ["echo"]
assert [row.lane for row in lanes.rows if row.caller == ADAPTER] == [APP]
# "a coroutine that waits": the last thing of turn 2 is that one has stopped
assert [event for event in trace if event.turn == 2 and event.kind == "yield"]

# %% [markdown]
# ## Compare
#
# What you guessed, and what the runs say. For P11.3 and P11.4 two more clients have come by.

# %%
TWO_REQUESTS = [
    ("connect", "client"),
    ("send", "client", HEAD + b"helloworld"),
    ("recv", "client"),
    ("send", "client", HEAD + b"goodbye..."),
    ("recv", "client"),
    ("close", "client"),
]
HALF_A_REQUEST = [
    ("connect", "client"),
    ("send", "client", HEAD + b"hello"),
    ("close", "client"),
]

twice, _ = serve(echo, TWO_REQUESTS)
half, _ = serve(echo, HALF_A_REQUEST)

compare("P11.1", nb11.order(trace))
compare("P11.2", nb11.request_made(trace))
compare("P11.3", nb11.adapters(twice))
compare("P11.4", nb11.when_it_leaves(half))

# %% tags=["check"]
assert nb11.said_by(half)[-2:] == [
    "_ServerRequestAdapter.on_connection_close", "HTTPServer.on_close"]
assert "echo" not in " ".join(nb11.said_by(half))

# %% [markdown]
# ## The other director
#
# Here is a delegate. It counts bytes, and keeps none of them. With a body of ten bytes that is
# silly. With a film of ten gigabytes it is the only way.
#
# There are two classes, because there are two questions. *Who receives this request?* is asked once
# a request. *Here is a piece* comes again and again, to whoever was the answer.

# %%
from minitornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate


class Meter(HTTPServerConnectionDelegate):
    def start_request(self, server_conn, request_conn):
        return Reading(request_conn)


class Reading(HTTPMessageDelegate):
    def __init__(self, connection):
        self.connection = connection
        self.size = 0

    def data_received(self, chunk):
        self.size += len(chunk)

    def finish(self):
        answer(self, b"%d bytes" % self.size)

    def on_connection_close(self):
        print("gone, after", self.size, "bytes")


metered, received_of_meter = serve(Meter(), TWO_PIECES)
print(received_of_meter.decode().splitlines()[-1])
serve(Meter(), HALF_A_REQUEST)
nb11.conversation(metered)

# %% [markdown]
# The first columns are the same, line by line. In the last one there is no tray any more, and no
# request object: each event is passed on. Whoever needs a request has to make one.

# %% tags=["check"]
assert received_of_meter.endswith(b"\r\n\r\n10 bytes")
adapter_told = [name for name in nb11.said_by(metered) if "Adapter" in name]
assert adapter_told == [name for name in told if "Adapter" in name]
assert nb11.request_made(metered) == "never"
passed_on = [name for name in nb11.said_by(metered) if name.startswith("Reading")]
assert passed_on == ["Reading.data_received", "Reading.data_received", "Reading.finish"]

# %% [markdown]
# ## Read: the server's part
#
# Now the source, all of it. It is no copy: it was taken out of the package when this page was
# built. On the right stands what each line is for. What is grey are the source's own words.

# %%
from minitornado.classroom.explain import explain

explain("httpserver.HTTPServer.handle_stream")
explain("httpserver.HTTPServer.start_request")
explain("httpserver.HTTPServer.on_close")

# %% [markdown]
# Three methods, six lines that do something. All the patience is elsewhere: in the connection,
# which comes back to `start_request` again and again.

# %% [markdown]
# ## Read: the adapter
#
# Watch for one thing: `if self.delegate is not None`. It stands in each of the four events. You
# could say that two adapters live in this one class.

# %%
explain("httpserver._ServerRequestAdapter")
explain("httpserver._ServerRequestAdapter.__init__")
explain("httpserver._ServerRequestAdapter.headers_received")
explain("httpserver._ServerRequestAdapter.data_received")

# %%
explain("httpserver._ServerRequestAdapter.finish")
explain("httpserver._ServerRequestAdapter.on_connection_close")
explain("httpserver._ServerRequestAdapter._cleanup")

# %% [markdown]
# ## Read: who is there?
#
# Often a proxy stands in front of a server. Then every connection comes from the proxy, and the
# server would take all the world for one client. So the proxy writes into a header whom it speaks
# for. With `HTTPServer(…, xheaders=True)` you say: in front of me there is one, believe it.
#
# One connection from the proxy carries the requests of many clients. So what a header says must
# hold for one request, and not for the next.

# %%
explain("httpserver._HTTPRequestContext._apply_xheaders")
explain("httpserver._HTTPRequestContext._unapply_xheaders")

# %% tags=["check"]
import ast
import inspect
import textwrap

from minitornado import httpserver

methods = [httpserver.HTTPServer.handle_stream, httpserver.HTTPServer.start_request,
           httpserver.HTTPServer.on_close]
trees = [ast.parse(textwrap.dedent(inspect.getsource(method))).body[0] for method in methods]
assert sum(len(tree.body) - 1 for tree in trees) == 6  # without the docstrings
source = inspect.getsource(httpserver._ServerRequestAdapter)
assert source.count("if self.delegate is not None") == 4

# %% [markdown]
# ## Poke it: answer by `return`
#
# In many frameworks one says `return "hello"`. Let us try.

# %%
predict("P11.5")

# %%
def returns(request):
    return b"hello"


with nb11.logged() as log:
    _, received_of_returns = serve(returns, TWO_PIECES)

compare("P11.5", nb11.client_got(received_of_returns))
print(log)

# %% [markdown]
# The last line is from the server's log. Change `returns` into an `async def` that calls `answer`,
# and run the cell again. What comes back then is a coroutine, and the server sees to it that it
# runs.

# %% tags=["check"]
async def goes_on(request):
    answer(request, b"hello")

assert serve(goes_on, TWO_PIECES)[1].endswith(b"\r\n\r\nhello")
assert [error for _, _, error in log.lines] == ["BadYieldError"]

# %% [markdown]
# ## Poke it: nobody cleans up
#
# Two clients behind one proxy, and one connection. With `xheaders=True` all is well: each request
# knows whom it is from. What if `_unapply_xheaders` did nothing?

# %%
predict("P11.6")

# %%
from unittest import mock

PROXIED = b"GET /who HTTP/1.1\r\nHost: localhost\r\nX-Real-Ip: 203.0.113.9\r\n\r\n"
PLAIN = b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n"
TWO_CLIENTS = [
    ("connect", "proxy"),
    ("send", "proxy", PROXIED),
    ("recv", "proxy"),
    ("send", "proxy", PLAIN),
    ("recv", "proxy"),
    ("close", "proxy"),
]
seen = []


def who(request):
    seen.append(request.remote_ip)
    answer(request, request.remote_ip.encode())


proxied, _ = serve(who, TWO_CLIENTS, xheaders=True)
print("as it is:            ", *seen)

seen.clear()
with mock.patch("minitornado.httpserver._HTTPRequestContext._unapply_xheaders", lambda self: None):
    serve(who, TWO_CLIENTS, xheaders=True)
print("nobody cleans up:    ", *seen)
compare("P11.6", seen[1])

# %% [markdown]
# That is why `finish` has a `finally`. It cleans up if your function raises, too. And if the client
# leaves in the middle, then `on_connection_close` does the same. Here it does:

# %%
left, _ = serve(who, [
    ("connect", "proxy"),
    ("send", "proxy", PROXIED.replace(b"Host", b"Content-Length: 10\r\nHost") + b"hello"),
    ("close", "proxy"),
], xheaders=True)
print(*nb11.said_by(left)[-3:], sep="\n")

# %% [markdown]
# Give the second request an `X-Forwarded-For` of your own making, and run the cells again. Then
# leave out `xheaders=True`. Whom do you believe now?

# %% tags=["check"]
names = [name.rpartition(".")[2] for name in nb11.said_by(proxied)]
assert names.count("_apply_xheaders") == names.count("_unapply_xheaders") == 2
assert names.index("_apply_xheaders") < names.index("who") < names.index("_unapply_xheaders")


def fails(request):
    raise ValueError("no")


with nb11.logged():
    failed, got = serve(fails, TWO_CLIENTS, xheaders=True)
assert got.startswith(b"HTTP/1.1 500")
assert "_unapply_xheaders" in " ".join(nb11.said_by(failed))
assert nb11.said_by(left)[-3:] == [
    "_ServerRequestAdapter.on_connection_close", "_HTTPRequestContext._unapply_xheaders",
    "HTTPServer.on_close"]

# %% [markdown]
# ## The real one
#
# The same clients, at the Tornado that Jupyter itself runs on, in a process of its own.

# %%
nb11.beside_tornado()

# %% [markdown]
# The name first. This course rebuilds Tornado 4.4, where the class was called as it is here. From
# 4.5 on its two halves live apart: `_CallableAdapter` gathers for a function, a delegate is asked
# directly, and a third class, `_ProxyAdapter`, stands in front of either when a proxy is to be
# believed. No more `if self.delegate is not None`. The events, and their order, have stayed.
#
# In the last two lines we differ on purpose. Tornado drops what your function returns. So an
# `async def` never runs there, and the client waits. Applications of Tornado do not notice: they
# are delegates, from its web framework, which runs coroutines itself. Here there is no framework,
# so the server does it. For the same reason an error of the application becomes a 500 here.

# %% [markdown]
# ## Build
#
# Now write it yourself. You know each line. In a terminal:
#
# ```sh
# python -m minitornado learn start ex25
# python -m minitornado learn start ex26
# python -m minitornado learn start ex27
# ```
#
# - **ex25** is the clerk of the first director: four events, one call. About 25 minutes.
# - **ex26** adds the other director, and the cleaning up. About 25 minutes.
# - **ex27** is `HTTPServer`, with the loop of a connection: one request after the other. About 40.

# %% [markdown]
# ## Exit quiz
#
# Four questions, and events to be put in order. Four right answers tick the notebook.

# %%
from minitornado.classroom.quiz import quiz

quiz("11")

# %% [markdown]
# ## Words
#
# | word | what it means |
# |:---|:---|
# | **head, body** | the two parts of a request: what is asked for, and what is sent along |
# | **event** | here: a call that tells of a piece of a message |
# | **adapter** | gives one side what the other side does not speak |
# | **delegate** | an object that wants the events themselves |
# | **connection** | one client's line to the server; it may carry many requests |
# | **exchange** | one request and its answer |
# | **context** | what is known of the other end of a connection |
# | **proxy** | a server in front of the server, that speaks for many clients |
# | **xheaders** | the headers in which a proxy says whom it speaks for |
#
# ## Next
#
# Notebook 12 follows a request through the whole house, and then lets everything go wrong: two
# clients at once, a function that does not come back, one that raises, a client that leaves.
