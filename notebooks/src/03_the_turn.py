# %% [markdown]
# # 03 · IOLoop I: the turn
#
# **What is one turn?**
#
# Notebook 00 had a night porter, who sleeps in front of a board of lamps and runs what there is
# to run. Now you look over his shoulder. In which order does he do things? What if two things wait
# at once? What if one of them goes wrong, or never ends?
#
# The answer is five functions, and you will have read every line of them.
#
# **You need** notebook 00, and 25 minutes.
#
# *All of it has been run already, so you can just read. It is better to run it yourself:
# Shift-Enter, cell by cell, from the top. Then your own guesses stand beside what happened.*

# %% [markdown]
# ## Three ways to wait
#
# A program that lives on a loop never waits by itself. It asks the loop to be called. There are
# three ways to ask:
#
# ```python
# loop.add_callback(f)                  # call f, once, as soon as you can
# loop.call_later(5, f)                 # call f, once, after five seconds
# loop.add_handler(sock, f, loop.READ)  # call f, each time there is something to read
# ```
#
# The first kind of `f` is a **callback**. It waits on **the list**. The second kind is a
# **timeout**, the third a **handler**. And now all three at once.
#
# ## Predict
#
# Six functions: A, B, C, D are callbacks, T is a timeout, H is the handler of a socket. Each
# writes down its letter when it runs. Before the loop is started, somebody asks, in this order:
#
# 1. Call H when the socket can be read. *It can: a byte is there already.*
# 2. Call T in no time at all, `call_later(0, T)`.
# 3. Call A.
# 4. Call B.
#
# A and H ask for more while they run: A puts C on the list, and H puts D on the list.
#
# To choose, write your letter into the cell, like this: `predict("P03.1", "b")`. Then run it. What
# is right stays locked until then. If you only read, click on what you believe.

# %%
from minitornado.classroom import nb03
from minitornado.classroom.predict import compare, predict

predict("P03.1")

# %%
predict("P03.2")

# %%
predict("P03.3")

# %%
predict("P03.4")

# %% [markdown]
# ## Run
#
# The six, and nothing else: no server, no browser. `loop_and_socket` gives us a new loop, and a
# socket that has one byte to be read. It also closes both, and ends the run after ten seconds,
# should you change it so that nobody stops the loop. `tracing` writes down what happens.

# %%
from minitornado.trace import tracing


def run_six(ask_for_c):
    order = []
    with tracing() as trace, nb03.loop_and_socket() as (loop, near):

        def A():
            order.append("A")
            ask_for_c(loop, C)

        def B():
            order.append("B")

        def C():
            order.append("C")

        def D():
            order.append("D")
            loop.stop()

        def H(sock, events):
            order.append("H")
            sock.recv(1)
            loop.add_callback(D)

        def T():
            order.append("T")

        loop.add_handler(near, H, loop.READ)
        loop.call_later(0, T)
        loop.add_callback(A)
        loop.add_callback(B)
        loop.start()
    return trace, " ".join(order)


trace, order = run_six(lambda loop, C: loop.add_callback(C))
print(order)

# %% [markdown]
# Who was on the list, and when? Here is the run, from left to right. The loop has two functions,
# and alternates between them: `_work` runs the list and the timeouts, `_wait` asks the kernel and
# runs the handlers. In the boxes stands who ran. Below each stands who was on the list when it was
# through.

# %%
nb03.Strip(trace)

# %% [markdown]
# Look at C. It is on the list from the very beginning, as soon as A has run. B comes, T comes, the
# kernel is asked, H comes: and C still waits. D came much later, and hardly waited at all.
#
# So what counts is not how long you have waited, but where the loop was when you were put on the
# list.

# %% tags=["check"]
moments = nb03.Strip(trace).moments
waited = {one: [name for _, name, waiting in moments if one in waiting] for one in "CD"}
assert waited == {"C": ["A", "B", "T", "poll", "H"], "D": ["H", "C"]}
assert [kind for kind, name, _ in moments if name == "poll"] == ["glance"]

# %% [markdown]
# ## Two more runs
#
# A callback that never lets go, and one that stumbles.

# %%
def spin(many):
    """Let callbacks add themselves for ever. How many runs before the handler's?"""
    runs, before = 0, None
    with nb03.loop_and_socket() as (loop, near):

        def again():
            nonlocal runs
            runs += 1
            loop.add_callback(again)

        def H(sock, events):
            nonlocal before
            before = runs
            loop.stop()

        loop.add_handler(near, H, loop.READ)
        for _ in range(many):
            loop.add_callback(again)
        loop.start()
    return before


print("runs before the handler's:", spin(1))

# %%
seen = []


def stumble():
    seen.append("stumbles")
    return 1 / 0


def behind():
    seen.append("the next one runs")
    loop.stop()


with nb03.logged() as log, nb03.loop_and_socket() as (loop, _):
    try:
        loop.add_callback(stumble)
    except ZeroDivisionError:
        seen.append("caught here")
    seen.append("add_callback has returned")
    loop.add_callback(behind)
    loop.start()

print(seen)
print("in the log:", log.errors)

# %% [markdown]
# ## Compare

# %%
compare("P03.1", order)
compare("P03.2", nb03.polls_between(trace, "H", "D"))
compare("P03.3", spin(1))
compare("P03.4")

# %% tags=["check"]
assert seen == ["add_callback has returned", "stumbles", "the next one runs"]
assert log.errors == ["ZeroDivisionError"]
assert spin(1) == 1 and spin(7) == 7

# %% [markdown]
# ## Read
#
# Now the source. It is not a copy: it was taken from the files that have just run. On the left a
# line, on the right what it is for. Lines in italics are comments that stand in the source.
#
# **First, how to get on the list.**

# %%
from minitornado.classroom.explain import explain

explain("ioloop.IOLoop.add_callback")

# %% [markdown]
# That is the whole secret of *later*. If you remember one thing about `add_callback`: **it runs
# nothing.** It is no function call that is a little slow. It is a note to somebody else.
#
# **Then, how the loop goes round.**

# %%
nb03.ring()

# %%
explain("ioloop.IOLoop.start")

# %% [markdown]
# A ring has no beginning. In notebook 00 a turn began with sleep, and so it does in the table
# below. In the source the list comes first, because a loop that was just started has something on
# it, and nobody to wait for. It is the same ring. What runs before the kernel is asked for the
# first time is called turn 0.

# %%
from minitornado.trace.views import Turns

Turns(trace, 0)

# %% [markdown]
# The socket is called `out1`. In turn 1 it was the reason for H, and so for D. But not for C: that
# is because of number 11, and 11 happened in turn 0.
#
# **What waits.** Look for the two places where something is *counted before it is run*.

# %% tags=["check"]
turns = {turn.number: [event.name.rpartition(".")[2] for event in turn.ran]
         for turn in Turns(trace, 0)}
assert turns == {0: ["A", "B", "T"], 1: ["H", "C", "D"]}
[c] = [event for event in trace if event.kind == "run" and event.name.endswith(".C")]
[asked] = [event for event in trace if event.seq == c.cause]
assert asked.seq == 11 and asked.turn == 0
[h] = [event for event in trace if event.kind == "run" and event.name.endswith(".H")]
assert h.fd == "out1"

# %%
explain("ioloop.IOLoop._work")

# %% [markdown]
# If the list were run *until it is empty*, C would have run right after B. And the callback that
# adds itself would have held the loop for ever: no socket would be looked at again. One word makes
# the difference, `len`.
#
# **Who is ready.**

# %%
explain("ioloop.IOLoop._wait")

# %% [markdown]
# **And how each of them is called.**

# %%
explain("ioloop.IOLoop._run")

# %% [markdown]
# That is why nobody could catch the division by zero. An exception climbs up the stack, from who
# was called to who called. Who called is `_run`. The function that once said `add_callback` has
# long returned.
#
# **What is left.** A few of these lines have not run yet. Nothing here is taken on trust, so here
# is what it takes for each of them. (*+ 1* means: and the line below it.)

# %%
nb03.rarely()

# %% [markdown]
# ## Poke it: no time at all
#
# One thing is changed. A asks for C with `call_later(0, C)`, and not with `add_callback(C)`. *In no
# time* and *as soon as you can*: is that not the same?

# %%
predict("P03.5")

# %%
poked, poked_order = run_six(lambda loop, C: loop.call_later(0, C))
compare("P03.5", poked_order)
nb03.Strip(poked)

# %% [markdown]
# C never was on the list this time. Change the `0` to `0.2`, and run the cell again. Where is C
# now? (D stops the loop. What does `start` do with those who still wait?) Then try `spin(100)`.

# %% tags=["check"]
assert all("C" not in waiting for _, _, waiting in nb03.Strip(poked).moments)
assert "C" not in run_six(lambda loop, C: loop.call_later(0.2, C))[1]

# %% [markdown]
# ## The real one
#
# The same functions, on the Tornado that Jupyter is built on, in a process of its own.

# %%
nb03.beside_tornado()

# %% [markdown]
# Three things are the same, and they are the ones to rely on. What a callback puts on the list
# waits for the next pass. Nobody starves the sockets by coming back. One failure stays one
# failure.
#
# Two things differ, and for one reason. Tornado 4, which this course rebuilds, has a loop of its
# own, with this order. Today's Tornado borrows the loop of Python's `asyncio`. That one asks the
# kernel *first*, puts the handlers behind what is on the list, then the timeouts that are due, and
# runs them all as one list. So H comes before T. And what H puts on the list has to wait until the
# kernel has been asked again: one more glance.

# %% [markdown]
# ## Build
#
# Now write it. First the list: `add_callback`, and the pass.
#
# ```sh
# python -m minitornado learn start ex05
# ```
#
# Then the timeouts: what does it take for them to be never early, and never out of order?
#
# ```sh
# python -m minitornado learn start ex07
# ```
#
# About 20 minutes the first, 25 the second.

# %% [markdown]
# ## Exit quiz
#
# Four questions, and events to be put in order. Four right answers tick the notebook.

# %%
from minitornado.classroom.quiz import quiz

quiz("03")

# %% [markdown]
# ## Words
#
# | word | what it means |
# |:---|:---|
# | **callback** | a function that is called once, later; it waits on the list |
# | **timeout** | a function that is called once, when its time has come |
# | **handler** | a function that is called each time its socket is ready |
# | **the list** | callbacks, oldest first; `add_callback` writes at its end |
# | **pass** | one run of `_work`: as many of the list as it had at the start, then what is due |
# | **poll** | to ask the kernel who is ready, and to sleep until somebody is |
# | **glance** | a poll that does not sleep, since the list is not empty |
# | **turn** | once around: poll, handlers, a pass |
# | **to starve** | to wait for ever, since somebody else is always first |
#
# ## Next
#
# Notebook 06: what a handler finds when its socket can be read, and how bytes become a message.
# And a real request, turn by turn:
#
# ```sh
# python -m minitornado trace /hello --view turns
# ```
