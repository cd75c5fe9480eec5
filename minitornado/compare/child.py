"""A program: runs scenarios with one server, traced, and prints what happened as JSON.

    python -m minitornado.compare.child minitornado|tornado SCENARIO ...

One server a process: two Tornados can't be imported into one, and a notebook's kernel runs on
Tornado itself.
"""

from __future__ import annotations

import collections
import collections.abc
import json
import platform
import ssl
import sys
from collections.abc import Sequence
from typing import Any

from .scenarios import SCENARIOS
from .servers import Ours, Tornado4, Tornado6


def main(argv: Sequence[str]) -> None:
    """Run them, and print one JSON object."""
    which, *names = argv
    version, server = server_of(which)
    runs = {name: server.run(SCENARIOS[name]) for name in names}
    told = {"version": version, "python": platform.python_version(), "runs": runs}
    json.dump(told, sys.stdout)


def server_of(which: str) -> tuple[str, Ours]:
    """Return the version and the server of this process.  SystemExit if it is too old."""
    if which == "minitornado":
        import minitornado

        return minitornado.__version__, Ours()
    _lend_old_names()
    import tornado

    from .tables import table_of

    version = int(tornado.version_info[0]), int(tornado.version_info[1])
    if version >= (6, 2):
        return tornado.version, Tornado6(table_of(version))
    if (4, 0) <= version <= (4, 5):
        return tornado.version, Tornado4(table_of(version))
    raise SystemExit(f"Tornado {tornado.version} can't be compared: 4.0 to 4.5, or 6.2 and later")


def _lend_old_names() -> None:
    """Tornado 4 looks for what Python had until 3.9, and until 3.11; it is lent to it here."""
    lent: Any = collections
    for name in ("MutableMapping", "Mapping", "Callable", "Awaitable"):
        if not hasattr(lent, name):
            setattr(lent, name, getattr(collections.abc, name))
    of_ssl: Any = ssl
    if not hasattr(of_ssl, "match_hostname"):
        of_ssl.match_hostname = None  # for its clients, of which there are none here


if __name__ == "__main__":
    main(sys.argv[1:])
