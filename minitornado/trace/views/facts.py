"""What a view asks of a trace beyond Trace itself: what an event led to.  Pure."""

from __future__ import annotations

from ..events import Event, Trace
from . import words


class Facts:
    """A trace, with its causes turned round, and its lanes one after the other."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._effects: dict[int, list[Event]] = {}
        self._links: dict[int, list[Event]] = {}
        self._before: dict[int, Event] = {}
        last: dict[str, Event] = {}
        for event in trace.whole:
            if event.lane in last:
                self._before[event.seq] = last[event.lane]
            last[event.lane] = event
            if event.link is not None:
                self._links.setdefault(event.link, []).append(event)
            if event.cause is not None:
                self._effects.setdefault(event.cause, []).append(event)

    def before(self, event: Event) -> Event | None:
        """Return the event before this one in the same thread of the same process."""
        return self._before.get(event.seq)

    def effects(self, event: Event) -> list[Event]:
        """Return what `event` is the cause of: of a poll, who is ready; of a resolve, who runs."""
        return self._effects.get(event.seq, [])

    def ready(self, poll: Event) -> list[str]:
        """Return who is ready when a poll returns: `["c1 is readable"]`; or how many, if that is
        all that the trace still knows."""
        count = poll.data.get("ready", 0)
        known = [words.label(ready) for ready in self.effects(poll)]
        return known or ["1 fd is ready" if count == 1 else f"{count} fds are ready"] * (count > 0)

    def told(self, event: Event) -> list[Event]:
        """Return the runs of those who waited when a Future was resolved, and not of who came later
        and found it done."""
        around = self.trace.get(event.parent)
        end = None if around is None else self.trace.closer(around)
        return [run for run in self.effects(event) if end is None or run.seq < end.seq]

    def ran(self, schedule: Event) -> bool:
        """Tell whether what was scheduled ran, within the trace."""
        return any(event.kind == "run" for event in self._links.get(schedule.seq, ()))

    def only_logs(self, run: Event) -> bool:
        """Tell whether a run does no more than to queue what looks for an exception."""
        inside = self.trace.children(run)
        return bool(inside) and all(
            str(event.data.get("target", "")).endswith(("lambda", "Future.result"))
            for event in inside
        )

    def asks_kernel(self, bracket: Event) -> bool:
        """Tell whether there is a system call inside of a bracket."""
        return any(event.kind == "syscall" for event in self.trace.inside(bracket))

    def inside(self, event: Event, *names: str) -> str | None:
        """Return which of these functions (by own name) is the innermost one around an event."""
        for around in self.trace.ancestors(event):
            if (name := words.short(around.name)) in names:
                return name
        return None
