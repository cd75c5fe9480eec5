# %% [markdown]
# # 00 · One request in forty lines
#
# **What happens between Enter and "hello"?**
#
# You type an address and press Enter. Somewhere a program wakes up, reads what your browser
# wrote, makes up its mind, says *hello*, and goes back to sleep. It does so for everybody who
# asks, and it has one thread to do it in.
#
# On this page you watch it happen, once, from the first sign of life to the last byte. It is no
# drawing of how things should be. It is a recording of a real request, over a real socket.
#
# **You need** Python, and 25 minutes. You need to know nothing of threads, networks or `async`.
#
# *All of it has been run already, so you can just read. It is better to run it yourself:
# Shift-Enter, cell by cell, from the top. Then your own guesses stand beside what happened.*

# %% [markdown]
# ## The night porter
#
# Think of the night porter of a large hotel. He is alone. If he stood at one door and waited, he
# would be lost to all the others. If he ran from door to door and asked, he would be tired by
# eleven.
#
# So he has a board with lamps, one for each door. Beside each lamp hangs a note that says what to
# do when it is lit. In front of this board he sleeps. A lamp is lit, he wakes, he does what its
# note says, and he sleeps again.
#
# That is an event loop. The rest is names:
#
# - The porter is the **loop**. There is one, in one thread.
# - The board is **epoll**. It belongs to the kernel, the heart of the operating system. To sleep
#   in front of it is to call `epoll_wait`.
# - A lamp stands for one socket. It can be lit for **READ**: something has come in. Or for
#   **WRITE**: there is room for something to go out.
# - To put up a lamp, to change what it is lit for, to take it down: each is a call of `epoll_ctl`.
# - The note is a **handler**, an ordinary Python function.
# - To sleep, to wake and to do all that is to be done: that is one **turn**.

# %%
from minitornado.classroom import nb00

nb00.board()

# %% [markdown]
# And this is the house he works in. What lies between the ground and the roof are classes, with the
# names that they have in Tornado. You need not learn them now. They come back, in the same colours.

# %%
nb00.house()

# %% [markdown]
# ## Predict
#
# Guess before you look. It takes ten seconds, and you will look with other eyes.
#
# This is what will happen. A browser connects: it *knocks*. For a while nothing else comes. Then
# it sends its request, which is a line of text and a little more. It gets its answer, the word
# *hello*. At last it hangs up.
#
# To choose, write your letter into the cell, like this: `predict("P00.1", "b")`. Then run it. What
# is right stays locked until then. If you only read, click on what you believe.

# %%
from minitornado.classroom.predict import compare, predict

predict("P00.1")

# %%
predict("P00.2")

# %%
predict("P00.3")

# %%
predict("P00.4")

# %% [markdown]
# ## Run
#
# Here is all of it: a server, a browser, and somebody who watches. Three things to see before you
# run it:
#
# - `hello` is the whole application. The server calls it with each request. It answers by calling
#   `write_headers` and `finish`. It returns nothing.
# - The browser is a list of moves, made over a real socket. It lives in the same thread, and makes
#   its next move whenever the porter is about to fall asleep. So each run is the same as the last.
# - `tracing` writes down who called whom, and why. The server does not know that it is watched.

# %%
from minitornado.httpserver import HTTPServer
from minitornado.httputil import ResponseStartLine
from minitornado.trace import drive, tracing


def hello(request):
    answer(request, b"hello")


def answer(request, body):
    fields = {"Content-Length": str(len(body))}
    start_line = ResponseStartLine("HTTP/1.1", 200, "OK")
    request.connection.write_headers(start_line, fields, body)
    request.connection.finish()


BROWSER = [
    ("connect", "browser"),
    ("send", "browser", b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("recv", "browser"),
    ("close", "browser"),
]


def serve(application):
    """Serve the browser; return the trace of it, and what the browser received."""
    server = HTTPServer(application)
    with tracing() as trace:
        browser = drive(server, BROWSER)
    server.io_loop.close(all_fds=True)
    return trace, browser.answers["c1"]


trace, received = serve(hello)
print(received.decode().splitlines()[0])
print(received.decode().splitlines()[-1])

# %% [markdown]
# There it is. Outside of a notebook nobody plays the browser, and nobody watches. Then the server
# is `hello`, `answer`, and three lines more:
#
# ```python
# server = HTTPServer(hello)
# server.listen(8888)
# IOLoop.current().start()
# ```

# %% tags=["check"]
assert {event.lane for event in trace} == {"loop"}
assert received.startswith(b"HTTP/1.1 200 OK\r\n") and received.endswith(b"\r\n\r\nhello")
assert hello.__code__.co_consts[0] is None  # it returns nothing
assert trace.check(sent={"c1": len(BROWSER[1][2])}, received={"c1": len(received)}) == []
assert serve(hello)[0].canonical() == trace.canonical()

# %% [markdown]
# ## What happened
#
# The story of this request, one sentence a step. Beside the number stands who it is about. Behind
# the sentence stands how it came to that, by number:
#
# - *in …*: it is part of that step, one function called by another
# - *because of …*: that step is why it happens **now**
# - *asked at …*: that step is where somebody **wanted** it to happen, some time before
#
# A *Future* is a slip of paper for a value that is not here yet. A *coroutine* is a function that
# can stop in the middle, keep its place, and go on later. That is all you need.

# %%
from minitornado.trace.views import Lanes, Story, Turns, Why

Story(trace, req="c1r1")

# %% [markdown]
# Two places deserve a second look.
#
# **EAGAIN.** The server tries to read, and there is nothing. An ordinary program would now stand
# and wait in this one call. Here the kernel says *not now*, and comes back at once. Only then is
# the lamp put up. So this is what *non-blocking* means: not that anything happens in the
# background, but that nobody stands and waits.
#
# **The gap between the turns.** At the end of the first turn a coroutine has stopped in the middle.
# Nobody is working for this browser. The porter sleeps, for all the browsers of the world at once.
# What is left of the conversation is a lamp, a note, and a coroutine that has kept its place.

# %% tags=["check"]
steps = Story(trace, req="c1r1").steps
assert len(steps) < 25
[again] = [step for step in steps if step.event.data.get("error") == "EAGAIN"]
[lamp] = [step for step in steps if step.event.name.endswith("add_handler")]
assert again.number < lamp.number
first = [step for step in steps if step.event.turn == 1]
assert first[-1].event.kind == "yield" and "waits" in first[-1].sentence
assert steps[len(first)].event.kind == "poll"
assert {name for step in steps for name, _ in step.edges()} == {"in", "because of", "asked at"}

# %% [markdown]
# ## The same as a picture
#
# One column for each of them, in the order of the house. Time goes down. A full arrow is a call: it
# ends before its caller goes on. A dashed arrow leads from where something was *asked for* to where
# it *ran*. Between its two ends the loop may have done anything else. What makes programs like this
# one hard to follow is all in the dashed arrows.

# %%
Lanes(trace, req="c1r1", title="One request, from the knock to the answer")

# %% [markdown]
# ## Turn by turn
#
# The same from where the porter sits. Did he sleep? Which lamp woke him? What ran, in this order?
# What was left for later? `←` leads to the event that is the reason. He slept before each of them:
# his list was empty. The table goes on a little after the answer: the browser hangs up, and that
# lights a lamp too.

# %%
Turns(trace)

# %% tags=["check"]
table = Turns(trace).turns
assert len(table) > nb00.turns(trace)
hung_up = [event for event in trace if event.name == "recv" and event.data.get("bytes") == 0]
assert [event.turn for event in hung_up] == [nb00.turns(trace) + 1]
assert [event.fd for event in table[nb00.turns(trace)].woken_by] == ["c1"]
lanes = Lanes(trace, req="c1r1")
assert any(row.asked is not None for row in lanes.rows)
assert all(turn.slept for turn in table if turn.ran)

# %% [markdown]
# ## Why did that run?
#
# In an ordinary program you would ask a traceback. It tells who called whom, back to the beginning.
# With a loop it ends at the loop, and the loop calls everybody. It does not know *why*.
#
# The trace does. Here is the call that sent our answer. Read *because* as the next question of a
# child who keeps asking why, until the answer is: because the kernel said so.

# %%
send = next(event for event in trace if event.name == "send")

Why(trace, send.seq)

# %% tags=["check"]
around = [event.name.rpartition(".")[2] for event in trace.ancestors(send)]
assert around.index("write_headers") < around.index("hello")
assert send.data["bytes"] == send.data["asked"] == len(received)
read = next(event for event in trace if event.name == "recv" and event.data.get("bytes"))
assert read.turn == send.turn == nb00.turns(trace)  # "In the second, everything else happens"
joints = Why(trace, send.seq).joints
assert joints[0].event is send and joints[-1].event.kind == "poll"
assert joints[-1].event.layer == "kernel"

# %% [markdown]
# ## Compare
#
# What you guessed, and what the trace says.

# %%
compare("P00.1", nb00.turns(trace))
compare("P00.2", nb00.epoll_ctls(trace))
compare("P00.3", nb00.write_interest(trace))
compare("P00.4", nb00.when_sent(trace))

# %% [markdown]
# ## Poke it: a large answer
#
# WRITE was not needed, because the kernel took all there was. What if it does not? One thing is
# changed: the answer has 3 MB. (And the kernel's tray for outgoing bytes is made small, or it
# would take even that on some machines.)

# %%
predict("P00.5")

# %%
import socket


def large(request):
    tray = request.connection.stream.socket
    tray.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    answer(request, b"x" * 3_000_000)


large_trace, large_received = serve(large)
nb00.calls(large_trace)
compare("P00.5", nb00.epoll_ctls(large_trace))

# %% [markdown]
# This is the whole art of writing without waiting. Try. Keep what did not fit. Put up the lamp for
# WRITE. Send a piece whenever it is lit. And when all is sent, take it down at once: else it is lit
# for ever, since now there is room, and the porter never sleeps again.
#
# Change the number of bytes, and run the cell again. From where on is WRITE needed?

# %% tags=["check"]
assert large_received.endswith(b"\r\n\r\n" + b"x" * 3_000_000)
masks = [event.data["events"] for event in large_trace
         if event.name == "epoll_ctl" and event.fd == "c1" and event.data["op"] != "DEL"]
assert masks == ["READ", "READ|WRITE", "READ"]
assert nb00.write_interest(large_trace) == "after the first `send`"

# %% [markdown]
# ## Poke it: two browsers
#
# One porter, one thread. What if two browsers ask at the same time, and there is real work to do?

# %%
predict("P00.6")

# %%
order = []


def works(request):
    name = request.path.strip("/")
    order.append(f"{name} begins")
    sum(range(1_000_000))  # some real work
    order.append(f"{name} ends")
    answer(request, b"done")


nb00.two_browsers(works)
compare("P00.6", ", ".join(order))

# %% [markdown]
# While the function works, it has the thread, and nobody else has anything. If it works for a
# minute, the hotel is without a porter for a minute.
#
# Now a small change. The function no longer *works*, it *waits*: for a clock here, for a database
# or another server in real life.

# %%
from minitornado import gen

order = []


async def waits(request):
    name = request.path.strip("/")
    order.append(f"{name} begins")
    await gen.sleep(0.05)  # seconds; the porter is free meanwhile
    order.append(f"{name} ends")
    answer(request, b"done")


nb00.two_browsers(waits)
print(", ".join(order))

# %% [markdown]
# Now they overlap. Still one thread, still one thing at a time. But `await` keeps the function's
# place and gives the porter back. **A loop does not make work go faster. It makes waiting cost
# nothing.** If you keep one sentence of this page, keep this one.

# %% tags=["check"]
assert ", ".join(order) == "a begins, b begins, a ends, b ends"

# %% [markdown]
# ## The real one
#
# Is this only a toy that behaves like that? The page that you read may well come from a Tornado:
# Jupyter is built on it. So let us ask that one, in a process of its own, with the same function
# and the same browser.

# %%
nb00.beside_tornado(trace)

# %% [markdown]
# It sleeps as often, it changes the board as often, and it answers at the same moment. Only, it
# looks at the board more often in passing. Tornado 4, which this course rebuilds, has a loop of its
# own. Today's Tornado borrows the one of Python's `asyncio`, which goes by the board once more
# before it runs what was put on the list.

# %% [markdown]
# ## Build
#
# You have watched it. Now write a piece of it yourself. In a terminal:
#
# ```sh
# python -m minitornado learn start ex13
# ```
#
# *Where does a message end?* The browser's bytes come as they like: half a request, or two in one
# piece. You write what finds the end. It takes about half an hour.

# %% [markdown]
# ## Exit quiz
#
# Four questions, and events to be put in order. Four right answers tick the notebook.

# %%
from minitornado.classroom.quiz import quiz

quiz("00")

# %% [markdown]
# ## Words
#
# | word | what it means |
# |:---|:---|
# | **socket** | one end of a connection; the kernel keeps it, your program has a number for it |
# | **fd** | that number (*file descriptor*) |
# | **loop** | calls everybody, and sleeps when there is nobody to call |
# | **turn** | once around: sleep, wake, do all that is to be done |
# | **handler** | the function that is called whenever its fd is ready |
# | **callback** | a function that is called once, later |
# | **READ, WRITE** | what an fd is watched for: something came in; there is room to go out |
# | **EAGAIN** | *not now*: how the kernel refuses to let you wait |
# | **non-blocking** | no call ever stands and waits; it does not mean *in the background* |
# | **Future** | a value to come |
# | **coroutine** | an `async def`: it can stop at `await`, and go on later |
#
# ## Next
#
# Notebook 03: what the porter does in one turn, line by line.
#
# Before that, if you like: the same story one step at a time, with the source beside it; then an
# answer in five pieces; then a server for your own browser:
#
# ```sh
# python -m minitornado trace /hello --view step
# python -m minitornado trace /stream --view lanes
# python -m minitornado serve
# ```
