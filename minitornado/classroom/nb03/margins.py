"""What notebook 03 says of the lines that it owns."""

from __future__ import annotations

from ..explain import own

own("03", "ioloop.IOLoop.add_callback", (
    (
        "def add_callback(self, callback: Callable[..., object], *args: Any, **kwargs: Any) "
        "-> None:",
        "A function, and what to call it with. Nothing comes back: there is no result yet, and "
        "there never will be one for whoever asks.",
    ),
    (
        "if kwargs:\ncallback = functools.partial(callback, **kwargs)",
        "`f(x=1)` becomes a function that needs no `x=` any more. So an entry of the list is "
        "always a pair: function, arguments.",
    ),
    (
        "self._callbacks.append((callback, args))",
        "**This is all.** Write it at the end of the list. Nothing is called here, so nobody "
        "who asks is ever surprised in the middle of a line.",
    ),
    (
        "if self._asleep:\nself._waker.wake()",
        "Is the loop asleep in the kernel? Then who asks is another thread, or a signal, and "
        "no list would wake it. A byte does (notebook 05).",
    ),
))  # fmt: skip

own("03", "ioloop.IOLoop.start", (
    ("def start(self) -> None:", "You call it once. It comes back when somebody calls `stop`."),
    (
        "self._check_startable()",
        "Raises if the loop runs already, is closed, or belongs to another process.",
    ),
    (
        "if self._stopped:\nself._stopped = False\nreturn",
        "Somebody said stop before start. That holds for one start.",
    ),
    (
        "previous = IOLoop.current(instance=False)\nself.make_current()",
        "From now on `IOLoop.current()` means this loop. What it meant before is kept.",
    ),
    ("self._running = True", "The flag that `stop` puts down."),
    (
        "wakeup_fd = _set_wakeup_fd(self._waker.write_fileno())",
        "Ctrl-C and other signals shall write a byte into the waker.",
    ),
    ("try:", "However this ends, the lines below `finally` are run."),
    ("while True:", "**The loop.** Here it is, all of it: two calls, and a question."),
    ("self._work()", "What waits on the list, and what is due."),
    (
        "if not self._running:\nbreak",
        "The question stands between the two. Whoever said stop, what was on the list has run, "
        "and nobody goes to sleep any more.",
    ),
    ("self._wait()", "Ask the kernel, and run the handlers of what it says."),
    ("finally:", "Also when something goes wrong, and on Ctrl-C:"),
    (
        "self._running = self._stopped = self._asleep = False\n"
        "_set_wakeup_fd(wakeup_fd)\n"
        "IOLoop._current.instance = previous",
        "leave everything as it was found. So a cell of a notebook can start it again.",
    ),
))  # fmt: skip

own("03", "ioloop.IOLoop._work", (
    ("def _work(self) -> None:", "One pass over what waits. It never sleeps."),
    (
        "if self._timeouts:\nself._due += self._pop_due_timeouts()",
        "**Counted first:** the timeouts whose time has come are taken off, before anything "
        "runs. One that comes due a moment later is for the next pass.",
    ),
    (
        "for _ in range(len(self._callbacks)):",
        "**Counted, too.** `len` is asked once, before the first of them runs. So three on the "
        "list means three runs, whatever they add.",
    ),
    (
        "callback, args = self._callbacks.popleft()",
        "The oldest. It is off the list before it runs: if it adds itself again, it is at the "
        "other end.",
    ),
    ("self._run(callback, args)", "Run it, to its end."),
    ("while self._due:\ntimeout = self._due.popleft()", "Then the timeouts, earliest first."),
    (
        "if timeout.callback is not None:",
        "A callback of this very pass may have called `remove_timeout`. Then it has none.",
    ),
    ("self._run(timeout.callback)", "Run it."),
    ("timeout.callback = None", "Done. Whoever still holds the handle holds nothing else."),
))  # fmt: skip

own("03", "ioloop.IOLoop._wait", (
    ("def _wait(self) -> None:", "The only place where the loop sleeps."),
    ("self._asleep = True", "The flag for other threads: from now on, a list is not enough."),
    (
        "ready = self._poller.poll(0.0 if self._callbacks else self._seconds_to_sleep())",
        "**Asked:** who is ready? It sleeps until there is an answer, but never longer than until "
        "the next timeout. If the list is not empty: not at all, it just asks.",
    ),
    ("self._asleep = False", "Awake."),
    (
        "if ready:\nself._events.update(reversed(ready))",
        "Keep all answers where `remove_handler` finds them too.",
    ),
    ("while self._events:", "One socket at a time."),
    (
        "fd, events = self._events.popitem()",
        "Its number, and what it is ready for. A handler that closes another socket also takes "
        "it out of here, so that nobody is called for a socket that is gone.",
    ),
    (
        "fileobj, handler = self._handlers.get(fd) or (fd, self._handle_unknown)",
        "The note beside the lamp: what was given to `add_handler`.",
    ),
    (
        "self._run(handler, (fileobj, events))",
        "Run it. What it puts on the list comes next, since after `_wait` comes `_work`.",
    ),
))  # fmt: skip

own("03", "ioloop.IOLoop._run", (
    (
        "def _run(self, function: Callable[..., object], args: tuple[Any, ...] = ()) -> None:",
        "Callback, timeout or handler: all code of a program is called from here.",
    ),
    ("try:", "Whatever happens in the next lines is seen to."),
    ("result = function(*args)", "**This line is your program.** All the rest is waiting."),
    (
        "if result is not None:\nself._watch_result(result)",
        "An `async def` returns something that is not over yet. What it raises later shall be "
        "logged as well (notebook 08).",
    ),
    (
        "except Exception:",
        "It raised something. There is nobody above us who asked for this call: only the loop.",
    ),
    (
        "self.handle_callback_exception(function)",
        "So it is logged, and the loop goes on with the next one.",
    ),
))  # fmt: skip
