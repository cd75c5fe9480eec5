"""drive: a client whose every move is scripted, so that a trace is the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Driven:
    """What the client saw: by connection ("c1" is who connected first), how many bytes went."""

    sent: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)


def drive(server: Any, script: Sequence[tuple[Any, ...]]) -> Driven:
    """Serve a scripted client with `server`, which must not listen yet; return what it saw."""
    raise NotImplementedError
