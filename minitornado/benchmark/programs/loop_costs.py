"""What a loop costs: `loop_costs.py minitornado|tornado|asyncio|uvloop timers|callbacks [N]`.

Prints {figure: microseconds of CPU time, or bytes}, measured in this process, with N of each.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

name, what = sys.argv[1:3]
N = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
if name in ("minitornado", "tornado"):
    loop: Any = import_module(f"{name}.ioloop").IOLoop.current()
    Future: Any = import_module(f"{name}.concurrent").Future
    call_soon, run, cancel = loop.add_callback, loop.start, loop.remove_timeout
    run_coroutine: Any = loop.run_sync
else:
    loop = (import_module("uvloop") if name == "uvloop" else asyncio).new_event_loop()
    Future = loop.create_future
    call_soon, run = loop.call_soon, loop.run_forever

    def cancel(handle: Any) -> None:
        handle.cancel()

    def run_coroutine(function: Callable[[], Any]) -> None:
        loop.run_until_complete(function())


def resident() -> int:
    with open("/proc/self/smaps_rollup") as file:
        return int(re.findall(r"\nRss: +(\d+) kB", file.read())[0]) * 1024


def microseconds(function: Callable[[], object], count: int) -> float:
    before = time.process_time()
    function()
    return (time.process_time() - before) / count * 1e6


def nothing() -> None:
    pass


def timers() -> dict[str, float]:
    delays = [random.uniform(1000, 2000) for _ in range(N)]
    before = resident()
    for delay in delays:
        loop.call_later(delay, nothing)
    each = (resident() - before) / N
    more = delays[: N // 4]
    replaced = 25_000
    handles: list[Any] = []

    def add() -> None:
        for delay in more:
            handles.append(loop.call_later(delay, nothing))

    def replace() -> None:
        for number in range(replaced):
            at = number % len(more)
            cancel(handles[at])
            handles[at] = loop.call_later(more[at], nothing)

    found = {
        "bytes": each,
        "add": microseconds(add, len(more)),
        "replace": microseconds(replace, replaced),
    }
    left = N

    def fired() -> None:
        nonlocal left
        left -= 1
        if not left:
            loop.stop()

    def fire() -> None:
        for delay in delays:
            loop.call_later(delay / 1e5, fired)  # 10 to 20 ms: most are due when all are added
        run()

    return {**found, "fire": microseconds(fire, N)}


def callbacks() -> dict[str, float]:
    left = N

    def again() -> None:
        nonlocal left
        left -= 1
        call_soon(again if left else loop.stop)

    def queued() -> None:
        for _ in range(N):
            call_soon(nothing)
        call_soon(loop.stop)
        run()

    async def wait() -> None:
        for _ in range(N):
            future = Future()
            call_soon(future.set_result, None)
            await future

    call_soon(again)
    return {
        "again": microseconds(run, N),
        "queued": microseconds(queued, N),
        "await": microseconds(lambda: run_coroutine(wait), N),
    }


random.seed(1)
print(json.dumps(timers() if what == "timers" else callbacks()))
