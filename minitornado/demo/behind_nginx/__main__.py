"""python -m minitornado.demo.behind_nginx: see the package's docstring."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from . import family

EPILOG = """\
nginx listens on PORT, the processes on the ports after it, all on 127.0.0.1 alone.
While it runs:
  curl 127.0.0.1:8080/           who answers; ask again, and it is the next process
  curl 127.0.0.1:8080/hello      the demo's routes are there too
  kill -9 PID                    one process dies and is started again; the GETs that it had
                                 not begun to answer go to another
  kill PID                       the same, but it ends its answers first
The configuration, explained line by line: minitornado/demo/behind_nginx/nginx.conf
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example until Ctrl-C or SIGTERM; return the exit status."""
    options = parse(arguments)
    tls = tuple(options.tls) if options.tls else None
    if options.show_config:
        ports = range(options.port + 1, options.port + 1 + options.processes)
        print(family.configuration(options.port, ports, tls), end="")
        return 0
    try:
        everybody = family.Family(options.processes, options.port, tls)
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, everybody.stop_soon)
        everybody.run()
    except family.CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; end the program with a sentence if they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m minitornado.demo.behind_nginx",
        description="Several single processes of minitornado behind nginx, until Ctrl-C.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--processes", type=int, default=3, metavar="N", help="from 1 to 32 (default: 3)"
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="nginx's (default: 8080; 0: free ports for all)"
    )
    parser.add_argument(
        "--tls", nargs=2, metavar=("CERT", "KEY"), help="let nginx speak https (PEM files)"
    )
    parser.add_argument(
        "--show-config", action="store_true", help="print nginx's configuration, start nothing"
    )
    options = parser.parse_args(arguments)
    if not 1 <= options.processes <= 32:
        parser.error("--processes takes a number from 1 to 32")
    if not 0 <= options.port <= 65535 - options.processes:
        parser.error(f"--port takes a number from 0 to {65535 - options.processes}")
    return options


if __name__ == "__main__":
    sys.exit(main())
