# %% [markdown]
# # 06 · IOStream I: reading
#
# **How do bytes become "a message"?**
#
# A network carries no messages. It carries bytes, one after the other, like a tap carries water.
# What one side sends in one piece may come in three, and what it sends in three may come in one.
#
# Programs want messages all the same: a line, a head, a body. Somebody has to stand between, to
# collect bytes, and to know when it is enough. That is what a stream is for, and you will have
# read the heart of its reading side, line by line: seven functions.
#
# **You need** notebooks 00 and 03, and 25 minutes.
#
# *All of it has been run already, so you can just read. It is better to run it yourself:
# Shift-Enter, cell by cell, from the top. Then your own guesses stand beside what happened.*

# %% [markdown]
# ## Predict
#
# A client sends four lines: HELLO, ONE, TWO, THREE. Each ends with two bytes, `\r` and `\n`, as
# the lines of HTTP do. It sends them in four packets, but they are cut quite elsewhere:
#
# | packet | its bytes |
# |:---|:---|
# | 1 | `HEL` |
# | 2 | `LO\r` |
# | 3 | `\nONE\r\nTWO\r\nTHR` |
# | 4 | `EE\r\n` |
#
# Between two packets there is time enough for the server to read what came, and to go to sleep.
#
# The server reads lines, one after the other: `await stream.read_until(b"\r\n")`. It gets a
# *Future*, a slip of paper for a value to come. If the value is not there yet, `await` stops the
# function, and the loop is free for others.
#
# To choose, write your letter into the cell, like this: `predict("P06.1", "b")`. Then run it. What
# is right stays locked until then. If you only read, click on what you believe.

# %%
from minitornado.classroom import nb06
from minitornado.classroom.predict import compare, predict

predict("P06.1")

# %%
predict("P06.2")

# %%
predict("P06.3")

# %%
predict("P06.4")

# %%
predict("P06.5")

# %% [markdown]
# ## Run
#
# `drive` is the client: a real socket in the same thread. It sends its next packet whenever the
# loop is about to fall asleep, so each run is the same as the last.

# %%
from minitornado.iostream import StreamClosedError
from minitornado.tcpserver import TCPServer
from minitornado.trace import drive, tracing


class Lines(TCPServer):
    def __init__(self, **options):
        super().__init__(**options)
        self.lines = []

    async def handle_stream(self, stream, address):
        try:
            while True:
                line = await stream.read_until(b"\r\n")
                self.lines.append(line)
        except StreamClosedError:
            pass  # the client has left


PACKETS = [b"HEL", b"LO\r", b"\nONE\r\nTWO\r\nTHR", b"EE\r\n"]


def read(packets, **options):
    """Serve a client that sends `packets`; return the trace, and the lines."""
    server = Lines(**options)
    moves = [("send", "client", packet) for packet in packets]
    with tracing() as trace:
        drive(server, [("connect", "client"), *moves, ("close", "client")])
    server.io_loop.close(all_fds=True)
    return trace, server.lines


trace, lines = read(PACKETS)
for line in lines:
    print(line)

# %% [markdown]
# Four packets in, four lines out, and not one line is a packet. In between lies the **read
# buffer**. Here it is, byte by byte. Bytes come in on the right. A line is cut off on the left.

# %%
nb06.Bytes(trace, b"".join(PACKETS))

# %% [markdown]
# Look at turn 4. One recv brings fourteen bytes: the one that HELLO was waiting for, two whole
# lines, and the beginning of a third. Three lines are cut off, one after the other, and nobody asks
# the kernel again. Then three letters are left. They are no line, so they stay.

# %% tags=["check"]
rows = nb06.Bytes(trace, b"".join(PACKETS)).rows
assert [what for turn, what, _, _ in rows if turn == 4] == ["recv", "line", "line", "line"]
assert rows[-3][3] == b"THR" and len(PACKETS[2]) == 14
assert len(lines) == len(PACKETS) == 4
assert not set(lines) & set(PACKETS)
assert [cut for _, what, cut, _ in rows if what == "line"] == lines

# %% [markdown]
# ## Compare

# %%
compare("P06.1", lines[0].decode())
compare("P06.2", nb06.receives_for(trace, 2, 3))
compare("P06.3", nb06.goes_on(trace))
compare("P06.4", nb06.stops(trace))
compare("P06.5", nb06.two_reads())

# %% [markdown]
# ## Read
#
# A read looks in three places, and always in this order. **Try first, wait second.**

# %%
nb06.way()

# %% [markdown]
# As in notebook 03, the source is on the left, what it is for is on the right. It was taken from
# the files that have just run.
#
# **Is it enough?** There is one object for each pending read, and it answers one question.

# %%
from minitornado.classroom.explain import explain

explain("pending_read.ReadUntil.find_end")

# %% [markdown]
# It knows nothing of sockets, so you can try it by hand. Behind each answer stands how many bytes
# are known to hold no whole delimiter.

# %%
from minitornado.pending_read import ReadUntil

wanted = ReadUntil(b"\r\n")
buffer = bytearray()
for packet in PACKETS[:3]:
    buffer += packet
    print(f"{bytes(buffer)!s:34}", wanted.find_end(buffer, False), wanted._searched)

# %% [markdown]
# After `HELLO\r` six bytes have been searched. The next search begins at index 5, and that is the
# `\r`. One byte further, and it would be missed: the delimiter came in two packets.
#
# **How a read begins.**

# %% tags=["check"]
again = ReadUntil(b"\r\n")
assert again.find_end(bytearray(b"HEL"), False) is None
assert again.find_end(bytearray(b"HELLO\r"), False) is None and again._searched == 6
start = again._searched - len(b"\r\n") + 1
assert start == 5 and b"HELLO\r"[start:] == b"\r"
assert again.find_end(bytearray(b"HELLO\r\nONE"), False) == 7

# %%
explain("iostream.BaseIOStream.start_read")

# %%
explain("iostream.BaseIOStream._handle_read")

# %% [markdown]
# Why not wait first? Think of `ONE` and `TWO`. They are in the buffer, and the kernel has given
# away all it had. It has nothing to report. Who went to sleep now would sleep on top of the very
# bytes that he is waiting for.
#
# **How bytes come in, and how an answer goes out.**

# %%
explain("iostream.BaseIOStream._read_to_buffer")

# %%
explain("iostream.BaseIOStream._finish_read")

# %% [markdown]
# The last line resolves the Future. And still your code does not run in there. Who waits for a
# Future is told at once, but all that it does is to put the coroutine on the list. So read this
# from the bottom up:

# %%
from minitornado.trace.views import Why

resumed = next(event for event in trace if event.kind == "resume")

Why(trace, resumed.seq)

# %% [markdown]
# **How it goes to sleep, and how it is woken.**

# %% tags=["check"]
joints = [joint.event.kind for joint in Why(trace, resumed.seq).joints]
assert joints == ["resume", "schedule", "resolve", "ready", "poll"]

# %%
explain("iostream.BaseIOStream._add_io_state")

# %%
explain("iostream.BaseIOStream._handle_events")

# %% [markdown]
# **What is left.** Many of these lines have not run yet: our client is a polite one. Nothing here
# is taken on trust, so here is what it takes for each of them. (*+ 3* means: and the three lines
# below it.)

# %%
nb06.rarely()

# %% [markdown]
# ## Poke it: four bytes at a time
#
# A stream asks the kernel for up to 65,536 bytes at once. One thing is changed: it asks for four.

# %%
predict("P06.6")

# %%
small, small_lines = read(PACKETS, read_chunk_size=4)
print("recvs that brought bytes:", nb06.receives(trace), "before,", nb06.receives(small), "now")
print("the same lines:", small_lines == lines)
compare("P06.6")

# %% [markdown]
# Where the bytes are cut decides nothing. You can cut them yourself: change `PACKETS`, send each
# byte alone, or all of them at once, and run the notebook again. The lines stay.

# %% tags=["check"]
from minitornado import iostream

assert iostream.READ_CHUNK_SIZE == 65_536
whole = b"".join(PACKETS)
assert read([whole])[1] == read([whole[at:at + 1] for at in range(len(whole))])[1] == lines

# %% [markdown]
# ## The real one
#
# The same packets, and the stream of the Tornado that Jupyter is built on, in a process of its own.

# %%
nb06.beside_tornado()

# %% [markdown]
# The same lines, from as many recvs that brought something. Two things differ:
#
# - **It asks more often in vain.** It asks the kernel until the kernel says *not now*. Ours
#   remembers: a recv that brings less than it asked for has emptied the kernel. So the next one can
#   be saved, until the lamp is lit again.
# - **Your code runs one poll later.** That is the loop of `asyncio`, as in notebook 03: what a
#   handler puts on the list has to wait until the kernel has been asked again.

# %% [markdown]
# ## Build
#
# Now write it. First, where does a message end?
#
# ```sh
# python -m minitornado learn start ex13
# ```
#
# Then, what becomes of the bytes that are left over?
#
# ```sh
# python -m minitornado learn start ex15
# ```
#
# About 30 minutes the first, 25 the second.

# %% [markdown]
# ## Exit quiz
#
# Four questions, and events to be put in order. Four right answers tick the notebook.

# %%
from minitornado.classroom.quiz import quiz

quiz("06")

# %% [markdown]
# ## Words
#
# | word | what it means |
# |:---|:---|
# | **stream** | bytes in a row, without gaps and without messages; and the object that reads them |
# | **packet** | what happened to come in one piece; it means nothing |
# | **delimiter** | the bytes that end a message |
# | **read buffer** | bytes that have come and that nobody has been given yet |
# | **pending read** | what somebody waits for; one a stream, at most |
# | **recv** | asks the kernel for bytes: some, none (*not now*), or the end |
# | **leftovers** | bytes behind the delimiter; they belong to the next read |
# | **to resolve** | to give a Future its value |
#
# ## Next
#
# Notebook 11: what is made of the lines of a request. And the buffers of a real one, over time:
#
# ```sh
# python -m minitornado trace /hello --view buffers
# ```
