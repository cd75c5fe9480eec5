"""Trace: watch a request travel through the stack, every callback with its cause.

    with tracing() as trace:
        client = drive(server, [("connect", "k1"), ("send", "k1", GET), ("recv", "k1")])
    trace.filter(conn="c1")

While a trace runs, the functions named in a table of probes are wrapped; when it stops, the
originals are back.  The stack itself knows nothing of this, and pays nothing.
"""

from .drive import drive
from .events import Event, Trace, load
from .fork import merge
from .tracer import Tracer, tracing

__all__ = ["Event", "Trace", "Tracer", "drive", "load", "merge", "tracing"]
