"""What notebook 12 calls: the whole chain, and its failures.

    pictures.py     the way of a request up and down the house, and where it can fail
    questions.py    what the reader predicts; importing this package asks it
    exit_quiz.py   what the quiz at its end asks
    scenarios.py    runs of a server, and what a trace of one says
    lines.py        which lines of a function ran, in several runs side by side
    real.py         the same scenarios in the Tornado that Jupyter itself runs on

    from minitornado.classroom import nb12
    nb12.way()
    predict("P12.1")
"""

from ..logs import logged
from .exit_quiz import ask_quiz
from .lines import executed, lines_executed
from .pictures import way
from .questions import ask_all
from .real import beside_tornado
from .scenarios import (
    answered_first,
    life_of,
    serve,
    serve_at_once,
    side_by_side,
    statuses,
    tabs,
    where_is,
    where_is_the_other,
)

__all__ = [
    "answered_first", "ask_all", "ask_quiz", "beside_tornado", "executed", "life_of",
    "lines_executed", "logged", "serve", "serve_at_once", "side_by_side", "statuses", "tabs", "way",
    "where_is", "where_is_the_other",
]  # fmt: skip

ask_all()
ask_quiz()
