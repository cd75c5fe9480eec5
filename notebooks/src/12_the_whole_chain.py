# %% [markdown]
# # 12 · The whole chain, slow motion
#
# **Follow one request, and its failures: what happens when it does not go well?**
#
# By now you have seen every part of this house. On this page there is nothing new to read. You
# watch the parts work, slowly, and then you break them: two clients at once, a function that does
# not come back, one that raises, a client that leaves.
#
# **You need** Python, and 25 minutes. Notebook 00 is enough to follow; after 03, 06 and 11 you will
# know every name.
#
# *All of it has been run already, so you can just read. It is better to run it yourself:
# Shift-Enter, cell by cell, from the top. Then your own guesses stand beside what happened.*

# %% [markdown]
# ## The way up, and down again
#
# Bytes come in at the bottom and climb, until somebody can say what they mean. At the top is your
# function. The answer goes down the same stairs. Four marks show where we are going to meddle.

# %%
from minitornado.classroom import nb12

nb12.way()

# %% [markdown]
# ## Predict
#
# All of it before anything has run.
#
# To choose, write your letter into the cell, like this: `predict("P12.1", "b")`. Then run it. What
# is right stays locked until then. If you only read, click on what you believe.

# %%
from minitornado.classroom.predict import compare, predict

predict("P12.1")

# %%
predict("P12.2")

# %%
predict("P12.3")

# %%
predict("P12.4")

# %%
predict("P12.5")

# %% [markdown]
# ## Run: two clients, interleaved
#
# `serve` plays clients against a server, over real sockets, and gives back the trace. Client `a`
# sends ten bytes and pauses. Client `b` comes by with a whole request.

# %%
from minitornado.httputil import ResponseStartLine


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def answer(request, body):
    fields = {"Content-Length": str(len(body))}
    start_line = ResponseStartLine("HTTP/1.1", 200, "OK")
    request.connection.write_headers(start_line, fields, body)
    request.connection.finish()


def hello(request):
    answer(request, b"hello")


ask = get("/")
two, _ = nb12.serve(hello, [
    ("connect", "a"),
    ("connect", "b"),
    ("send", "a", ask[:10]),
    ("send", "b", ask),
    ("recv", "b"),
    ("send", "a", ask[10:]),
    ("recv", "a"),
    ("close", "a"),
    ("close", "b"),
])
nb12.side_by_side(two)

# %% [markdown]
# Put a finger on turn 3. Ten bytes have come, and they are no request. So nothing more happens: no
# function is called, nobody is told. The turn is over, and the loop sleeps.
#
# In turn 4 comes `b`, goes through the whole house, and is answered. Where was `a` meanwhile? Look
# at its stream. The ten bytes lie in its buffer, and READ is still watched for. That is all there
# is of `a`, and all that is needed.

# %%
from minitornado.trace.views import Buffers, Stepper

Buffers(two, conn="c1")

# %% tags=["check"]
assert nb12.answered_first(two) == "client b" and nb12.where_is(two) == "nowhere on the stack"
third = [event for event in two if event.turn == 3 and event.kind == "syscall"]
assert [(event.name, event.data.get("bytes")) for event in third] == [("recv", 10)]
assert not [event for event in two if event.turn == 3 and event.step == "app"]
assert {event.conn for event in two if event.step == "app" and event.turn == 4} == {"c2"}
from minitornado.trace.views import Turns

assert [turn.slept for turn in Turns(two, 3, 4)] == [True, True]

# %% [markdown]
# ## Slow motion
#
# The same request of `b` once more, one step at a time, with the lines that were running. Click
# *next*, or use the keys `n` and `p`. Then `b` leads to what made the step happen, and `a` to who
# had asked for it. (Where a page may run no scripts, the steps stand in a list, to be unfolded.)

# %%
Stepper(two, req="c2r1")

# %% [markdown]
# If you can say of each step **why now**, you have understood the loop.

# %% [markdown]
# ## Run: a function that does not come back
#
# Both clients send in the same moment. `a` asks for something slow.

# %%
import time


def blocks(request):
    if request.path == "/slow":
        time.sleep(0.3)  # seconds; and nobody else has anything meanwhile
    answer(request, b"done")


at_once = nb12.serve_at_once(blocks, ["/slow", "/quick"])
nb12.side_by_side(at_once)

# %% [markdown]
# Look at turn 2. Both lamps are lit. Both requests are read. Both coroutines are put on the list.
# Then `blocks` begins for `a`, and until it returns there is not a single line for `b`. Its request
# has been in the house all the time. It is not lost, not refused, not even unread. It waits for the
# thread.
#
# So a slow function is not slow for its own client alone. It freezes **everybody**: clients that
# are connected, clients that knock, timers that are due.

# %% tags=["check"]
assert nb12.where_is_the_other(at_once) == "read, and on the list"
app = next(event for event in at_once if event.conn == "c1" and event.step == "app")
end = at_once.closer(app)
assert not [event for event in at_once if event.conn == "c2" and app.seq < event.seq < end.seq]
assert end.t - app.t >= 0.3e9
ready = [event.seq for event in at_once if event.kind == "ready" and event.turn == 2]
assert len(ready) == 2 and max(ready) < app.seq
# "timers that are due"
from minitornado.ioloop import IOLoop

loop, order = IOLoop(make_current=False), []
loop.add_callback(lambda: (time.sleep(0.05), order.append("back")))
loop.call_later(0.01, lambda: (order.append("timer"), loop.stop()))
loop.start()
loop.close()
assert order == ["back", "timer"]

# %% [markdown]
# ## Run: a function that raises

# %%
def fails(request):
    if request.path == "/bad":
        raise ZeroDivisionError
    answer(request, b"fine")


BAD_THEN_GOOD = [
    ("connect", "a"),
    ("send", "a", get("/bad")),
    ("recv", "a"),
    ("send", "a", get("/good")),
    ("recv", "a"),
    ("close", "a"),
]

with nb12.logged() as log:
    failed, received = nb12.serve(fails, BAD_THEN_GOOD)
nb12.side_by_side(failed)
print(log)

# %% [markdown]
# The error does not get far. It leaves your function, it leaves the adapter, and the connection
# catches it: it writes a line into the log and a 500 to the client. Then the same coroutine goes on
# to the next request, as if nothing had been. Nobody who has called `start()` ever hears of it. So
# **read the log**: it is the only place that says what went wrong.

# %% tags=["check"]
assert log.lines == [("tornado.application", "Uncaught exception", "ZeroDivisionError")]
assert nb12.statuses(received["c1"]) == "500, 200"
raised = [event.name for event in failed if event.kind == "raise"
          and event.data.get("error") == "ZeroDivisionError"]
assert [name.rpartition(".")[2] for name in raised] == ["fails", "finish"]
assert len([event for event in failed if event.name.endswith("_server_request_loop")
            and event.kind == "call"]) == 1

# %% [markdown]
# ## Run: a client that leaves
#
# This function waits, with `await`, so it freezes nobody. And it has asked to be told.

# %%
from minitornado import gen

LEAVES = [
    ("connect", "a"),
    ("send", "a", ask),
    ("close", "a"),
    ("jump",),  # let time pass, up to the next timer
]
notes = []


async def patient(request):
    request.connection.set_close_callback(lambda: notes.append("told"))
    notes.append("begins")
    await gen.sleep(1)  # second
    notes.append("goes on")
    answer(request, b"hello")
    notes.append("ends")


left, _ = nb12.serve(patient, LEAVES)
nb12.side_by_side(left)

# %% [markdown]
# In turn 3 the lamp is lit, although the client has sent nothing. That is how the kernel says
# *gone*: there is something to read, and it is the end. The server learns of it only because
# somebody still listens. A server that is frozen learns nothing.
#
# A second later the function goes on, writes, and returns. There is no `send` any more. To whom?

# %% tags=["check"]
assert nb12.life_of(notes) == "begins, told, goes on, ends"
assert not [event for event in left if event.name == "send"]
gone = [event for event in left if event.name == "recv" and event.data.get("bytes") == 0]
assert [event.turn for event in gone] == [3]

# %% [markdown]
# ## Compare

# %%
compare("P12.1", nb12.answered_first(two))
compare("P12.2", nb12.where_is(two))
compare("P12.3", nb12.where_is_the_other(at_once))
compare("P12.4", nb12.statuses(received["c1"]))
compare("P12.5", nb12.life_of(notes))

# %% [markdown]
# ## Read: one function, four fates
#
# Here is the function in which all of this is decided. It is the coroutine that reads one request
# and sees it answered. The columns say which lines Python ran:
#
# 1. all goes well
# 2. the function raises
# 3. the client leaves while the function waits
# 4. the client leaves in the middle of its head

# %%
from minitornado.classroom.nb12 import scenarios

nb12.executed("http1connection.HTTP1Connection.read_response", scenarios.fates())

# %% [markdown]
# Go down one column after the other. Column 1 is the plain way, and no `except` is touched.
#
# Column 2 leaves it at `delegate.finish()`. That is where the adapter calls you. It comes out at
# `_application_failed`, which answers 500. Then it goes on below, as column 1 does.
#
# Column 3 takes the plain way too, with one line more: it waits in `_end_exchange`. The function is
# not done, and somebody has to listen for the client.
#
# Column 4 leaves at the first `await`. It is the only one that ends with `raise`: there is nobody
# left to be answered. Who catches that? The loop of the connection, which has called it:

# %%
nb12.executed("http1connection.HTTP1ServerConnection._server_request_loop", scenarios.fates())

# %% [markdown]
# Here a client that has left is not an error. It is how a connection ends, also in columns 1 and 2:
# the client hung up, while the next request was waited for. In column 3 the exchange itself said
# that no other can follow.

# %% tags=["check"]
from minitornado.classroom.stack import read_module

names = {"read": "http1connection.HTTP1Connection.read_response",
         "loop": "http1connection.HTTP1ServerConnection._server_request_loop"}
ran = {}
for short, name in names.items():
    lines = {line.number: line.code for line in read_module("http1connection").of(name)}
    for title, run in scenarios.fates().items():
        ran[short, title] = [lines[at] for at in sorted(nb12.lines_executed(name, run))]
well, raises, waiting, asking = (ran["read", title] for title in scenarios.fates())
assert not [code for code in well if code.startswith("except")]
assert [code for code in raises if code not in well] == [
    "except HTTPInputError as error:", "except _EnoughRead:", "except Exception as error:",
    "if self._client_has_left(error):", "self._application_failed(error)"]
assert raises[-2:] == well[-2:] and "waiting = delegate.finish()" in raises
assert "if waiting is not None:" in raises  # the one after headers_received
more = [code for code in waiting if code not in well]
assert more[-1] == "await self._end_exchange()" and "raise" not in more
assert [title for title in scenarios.fates() if "raise" in ran["read", title]] == [
    "leaves, asking"]
for title in scenarios.fates():
    assert ("except StreamClosedError:" in ran["loop", title]) == (title != "leaves, waiting")

# %% [markdown]
# ## Poke it: an error, a second later
#
# What if the function raises after an `await`? It runs on a stack of its own then, with no adapter
# below it. Still there is an answer:

# %%
async def fails_later(request):
    await gen.sleep(1)
    fails(request)


with nb12.logged() as log:
    _, received_later = nb12.serve(fails_later, BAD_THEN_GOOD)
print(nb12.statuses(received_later["c1"]))
print(log)

# %% [markdown]
# What your `async def` returned to the adapter was handed on, and the connection has kept an eye on
# it. Change it: leave out `await`, or raise after `answer`. Guess first. Which answers does the
# client get?

# %% tags=["check"]
assert nb12.statuses(received_later["c1"]) == "500, 200"
assert [error for _, _, error in log.lines] == ["ZeroDivisionError"]

# %% [markdown]
# ## Poke it: two tabs
#
# You want to see it with your own eyes, in a browser.

# %%
predict("P12.6")

# %%
same = nb12.tabs(["/slow", "/slow"])
nb12.side_by_side(same)
compare("P12.6", scenarios.second_arrives(same))

# %% [markdown]
# These two tabs are played, but a test of this course asks a real Chromium, and it does just so.
# Change one of the two addresses to `"/slow?2"`, and look where the second request comes in. So
# before you call a server serial, look whether the browser was.

# %% tags=["check"]
assert scenarios.second_arrives(nb12.tabs(["/slow", "/slow?2"])) == "before the first answer"

# %% [markdown]
# ## The real one
#
# The same four scenes at the Tornado that Jupyter itself runs on, in a process of its own.

# %%
nb12.beside_tornado()

# %% [markdown]
# One difference. When a function raises, Tornado's HTTP server writes its line into the log, and
# closes the connection without an answer. The 500 that you know from Tornado is made one floor
# higher, by its web framework. There is no such floor here, so the server itself is polite.
#
# (For the client that leaves, the function over there waits with `call_later`: an `async def` would
# not be run, as notebook 11 shows.)

# %% [markdown]
# ## What it costs
#
# You have seen it slowly. At full speed, where does the time of one request go? A notebook is no
# place to measure that, so this page comes from the benchmark of the project, and tells of the
# machine that is named below it.
#
# Behind each row stands a server of its own. From row to row it does one thing more, and the row
# says what that adds, up to the real server at the end. A layer that saves others work is credited
# with it, so a share can even lie below zero.

# %%
from minitornado.benchmark import reasons, results
from minitornado.classroom.show import show

measured = results.load()
show(reasons.table(measured))
print(reasons.sentence(measured))

# %% [markdown]
# To measure your own machine: `python -m minitornado benchmark --reasons` (it needs `wrk`, which
# does the asking). With `--tricks` it plays tricks that were left out, and says what each would
# have bought.

# %% tags=["check"]
steps = [step.name for step in reasons.STEPS]
assert list(measured["reasons"]["ladder"]) == steps and steps[-1] == "whole"

# %% [markdown]
# ## Build
#
# If you have not written them yet, these are the pieces of today's chain:
#
# ```sh
# python -m minitornado learn start ex25
# python -m minitornado learn start ex26
# python -m minitornado learn start ex27
# ```
#
# With **ex27** your own server answers two requests on one connection, in order, whoever leaves.

# %% [markdown]
# ## Exit quiz
#
# Four questions, and the whole chain to be put in order. Four right answers tick the notebook.

# %%
from minitornado.classroom.quiz import quiz

quiz("12")

# %% [markdown]
# ## Words
#
# | word | what it means |
# |:---|:---|
# | **to block** | to keep the thread without need: a long computation, `time.sleep` |
# | **to wait** | to keep one's place and give the thread back: `await` |
# | **interleaved** | a piece of one, a piece of the other, in one thread |
# | **close callback** | called when the client leaves before its answer is complete |
# | **500** | *it is my fault*: what a client is told of an error in the application |
# | **the log** | where an error goes that has no caller to go to |
#
# ## Next
#
# You have seen it whole. How far are you? Then let it serve a browser of your own, and watch:
#
# ```sh
# python -m minitornado progress
# python -m minitornado trace /boom --view lanes
# python -m minitornado serve
# ```
