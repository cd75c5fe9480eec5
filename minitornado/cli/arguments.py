"""The options of every command, and what --help says about them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from . import views
from .output import PROGRAM

LEVELS = ("story", "chain", "full")
DEFAULT_PORT = 8000

DESCRIPTION = """\
One HTTP request, every callback, explained.

Without a command: serves one real request to itself, and shows how it travels
through IOLoop, IOStream, TCPServer, HTTPServer and _ServerRequestAdapter."""

COMMANDS = """\
commands:
  serve       the demo server, until Ctrl-C; logs the chain of every request
  trace       one request of your choosing to the demo, traced
  show        a trace that was written to a file
  diff        two of them, side by side
  compare     the same requests in ours and in the real Tornado
  learn       the exercises: start, check, hint, reset, solution, list
  predict     the predictions of a notebook: predict 00
  quiz        its exit quiz, which ticks it: quiz 00
  progress    how far you are in notebooks and exercises
  explain     a line of the source, explained: explain iostream.py:214
  notebooks   build the notebooks, or check that they are fresh (also: build)
  book        write the notebooks as static pages, to read without anything
  benchmark   measure minitornado beside Tornado and others

COMMAND --help says more about each.

examples:
  python -m minitornado
  python -m minitornado trace /stream --view lanes
  python -m minitornado serve --port 8888 --level story"""

SERVE_EXAMPLES = """\
examples:
  python -m minitornado serve
  python -m minitornado serve --port 8888 --level story
  python -m minitornado serve --no-trace      one line a request, and full speed"""

TRACE_EXAMPLES = """\
examples:
  python -m minitornado trace                 GET /hello, as a story
  python -m minitornado trace /echo --data hi
  python -m minitornado trace '/slow?seconds=0.2' --level chain
  python -m minitornado trace /hello --header 'Connection: close' --view turns
  python -m minitornado trace /stream --json stream.jsonl
  python -m minitornado trace /big?n=1000000 --audit"""

SHOW_EXAMPLES = """\
examples:
  python -m minitornado trace /stream --json stream.jsonl
  python -m minitornado show stream.jsonl --view turns
  python -m minitornado show stream.jsonl --view why --event 40
  python -m minitornado show stream.jsonl --html stream.html
  python -m minitornado show stream.jsonl --export chrome stream.json"""

DIFF_EXAMPLES = """\
examples:
  python -m minitornado trace /hello --json hello.jsonl
  python -m minitornado trace /stream --json stream.jsonl
  python -m minitornado diff hello.jsonl stream.jsonl"""

COMPARE_EXAMPLES = """\
examples:
  python -m minitornado compare                  every scenario, a row each
  python -m minitornado compare --list
  python -m minitornado compare pipelined        side by side, and the reasons
  python -m minitornado compare get close --view differences
  python -m minitornado compare get --view why
  python -m minitornado compare --html compare.html

An older Tornado beside the installed one, from a folder of its own:
  python -m pip install --no-deps --target build/tornado45 tornado==4.5.3
  python -m minitornado compare --tornado build/tornado45"""

COMPARE_VIEWS = {
    "beside": "both stories, side by side",
    "differences": "only the steps that one of them has",
    "reasons": "the explanations, and how many differences each accounts for",
    "summary": "one row a scenario",
    "turns": "the turns of our loop, and those of theirs",
    "why": "why the last bytes were sent, back to the kernel, in ours and in theirs",
}

EXPORTS = ("chrome", "otlp")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the options; `module` names the module of `cli` that runs them."""
    parser = _Parser(PROGRAM, DESCRIPTION, COMMANDS)
    from minitornado import __version__

    parser.add_argument("--version", action="version", version=f"minitornado {__version__}")
    parser.set_defaults(module="watch")
    # Described above in COMMANDS: argparse would list them once more.
    parser.usage = f"{PROGRAM} [COMMAND [options]]"
    commands = parser.add_subparsers(metavar="COMMAND", help=argparse.SUPPRESS, prog=PROGRAM)
    _add_serve(commands)
    _add_trace(commands)
    _add_show(commands)
    _add_diff(commands)
    _add_compare(commands)
    options = parser.parse_args(words)
    export = getattr(options, "export", None)
    if export is not None and export[0] not in EXPORTS:
        parser.error(f"--export takes {' or '.join(EXPORTS)}, not {export[0]!r}")
    return options


def _add_serve(commands: Any) -> None:
    parser = commands.add_parser(
        "serve", description="Run the demo server until Ctrl-C.", epilog=SERVE_EXAMPLES
    )
    parser.set_defaults(module="serve")
    parser.add_argument(
        "--port", type=port, default=DEFAULT_PORT, metavar="N",
        help=f"where to listen; 0 takes any free port (default: {DEFAULT_PORT})",
    )  # fmt: skip
    parser.add_argument(
        "--address", default="127.0.0.1", metavar="A",
        help="of which interface (default: 127.0.0.1, this machine alone)",
    )  # fmt: skip
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--level", choices=LEVELS, default="chain",
        help="what to log: the story of each request, the chain of its callbacks "
        "as they run, or every call (default: chain)",
    )  # fmt: skip
    how.add_argument(
        "--no-trace", action="store_true", help="don't trace; log one line a request"
    )


def _add_trace(commands: Any) -> None:
    parser = commands.add_parser(
        "trace", epilog=TRACE_EXAMPLES,
        description="Trace one request to the demo application, over a real socket.",
    )  # fmt: skip
    parser.add_argument(
        "path", type=target, nargs="?", default="/hello", metavar="URL-path",
        help="what to ask for, with its query (default: /hello)",
    )  # fmt: skip
    parser.add_argument(
        "--method", type=method, metavar="M", help="default: GET, or POST if there is --data"
    )
    parser.add_argument("--data", metavar="TEXT", help="the body")
    parser.add_argument(
        "--header", type=header, action="append", default=[], dest="headers",
        metavar="'Name: value'", help="a header field; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--level", choices=LEVELS, default="story",
        help="the story, the chain of callbacks, or every call (default: story)",
    )  # fmt: skip
    _add_view(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--json", metavar="FILE", help="write the trace to FILE as well, one event a line"
    )
    instead.add_argument(
        "--audit", action="store_true",
        help="show instead whether the trace misses anything: exit status 1 if it does",
    )  # fmt: skip
    _add_files(parser)
    parser.set_defaults(module="trace", of=None)


def _add_show(commands: Any) -> None:
    parser = commands.add_parser(
        "show", description="Show a trace that `trace --json` wrote.", epilog=SHOW_EXAMPLES
    )
    parser.set_defaults(module="show")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument(
        "--level", choices=LEVELS, default="story",
        help="the story, the chain of callbacks, or every call (default: story)",
    )  # fmt: skip
    _add_view(parser)
    parser.add_argument(
        "--of", metavar="NAME",
        help="of one connection, as c1, or one request, as c1r1; or all "
        "(default: of the request, if only one was answered)",
    )  # fmt: skip
    _add_files(parser)


def _add_diff(commands: Any) -> None:
    parser = commands.add_parser(
        "diff", epilog=DIFF_EXAMPLES,
        description="Show the stories of two traces side by side; exit status 1 if they differ.",
    )  # fmt: skip
    parser.set_defaults(module="diff")
    parser.add_argument("one", metavar="FILE")
    parser.add_argument("other", metavar="FILE")


def _add_compare(commands: Any) -> None:
    listed = "\n".join(f"  {name:13}{what}" for name, what in COMPARE_VIEWS.items())
    parser = commands.add_parser(
        "compare", epilog=f"views:\n{listed}\n\n{COMPARE_EXAMPLES}",
        description="Put the same requests through ours and through the real Tornado, each in a "
        "process of its own, and show what is not the same, and why.\nExit status 1 if there is "
        "a difference that is not explained.",
    )  # fmt: skip
    parser.set_defaults(module="compare")
    parser.add_argument(
        "scenarios", nargs="*", metavar="scenario", help="which ones, see --list (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios, and run none")
    parser.add_argument(
        "--tornado", action="append", default=[], metavar="PATH",
        help="another Tornado beside the installed one (4.0 to 4.5, or 6.2 and later): its Python, "
        "its virtual environment, or the folder that it was installed into",
    )  # fmt: skip
    parser.add_argument(
        "--view", choices=list(COMPARE_VIEWS), metavar="V",
        help="another way to look at it (default: beside for one scenario, else summary)",
    )  # fmt: skip
    parser.add_argument("--html", metavar="FILE", help="write all of it to FILE as a page")
    parser.add_argument("--json", metavar="FILE", help="write all of it to FILE as JSON")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--html", metavar="FILE", help="write the trace to FILE as a page that needs no network"
    )
    parser.add_argument(
        "--export", nargs=2, metavar=("FORMAT", "FILE"),
        help="write it for another tool: chrome (Perfetto) or otlp (OpenTelemetry)",
    )  # fmt: skip


def _add_view(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--view", choices=list(views.NAMES), metavar="V",
        help="another way to look at it, see below",
    )  # fmt: skip
    parser.add_argument(
        "--event", type=number, metavar="N",
        help="the event that --view why explains (default: the last send)",
    )  # fmt: skip
    listed = "\n".join(f"  {name:8}{what}" for name, what in views.NAMES.items())
    parser.epilog = f"views:\n{listed}\n\n{parser.epilog}"


# ---- types of arguments: each returns the value, or says what is wrong with it ----


def port(text: str) -> int:
    """Return a port's number.

    >>> port("8888")
    8888
    """
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def number(text: str) -> int:
    """Return an event's number.

    >>> number("12")
    12
    """
    if not re.fullmatch("[0-9]{1,12}", text):
        raise argparse.ArgumentTypeError(f"an event has a number, as in the log; not {text!r}")
    return int(text)


def target(text: str) -> str:
    """Return a request's target: a path, and perhaps a query.

    >>> target("/big?n=5")
    '/big?n=5'
    """
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"a path begins with a slash, as /hello; not {text!r}")
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise argparse.ArgumentTypeError("a path is ASCII without spaces: write them as %20")
    return text


def method(text: str) -> str:
    """Return a method: any word that HTTP allows for one."""
    from minitornado.httputil import TOKEN

    if not re.fullmatch(TOKEN, text):
        raise argparse.ArgumentTypeError(f"a method is a word, as GET; not {text!r}")
    return text


def header(text: str) -> str:
    """Return a header field, one line.

    >>> header("X-One: 1")
    'X-One: 1'
    """
    from minitornado.httputil import TOKEN

    if not re.fullmatch(rf"{TOKEN}:[\t\x20-\x7e]*", text):
        raise argparse.ArgumentTypeError(f"a header field is 'Name: value', not {text!r}")
    return text


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and not after the usage, in which it drowns."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help says more)\n")
