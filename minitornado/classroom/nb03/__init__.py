"""What notebook 03 calls: the turn.

    runs.py        runs of a loop with nothing on it but a few functions, and what came of each
    questions.py   what the reader predicts; importing this package asks it
    exit_quiz.py   what the quiz at its end asks
    rare.py        what it takes for the other lines to run
    pictures.py    the ring, and a run as a strip: who ran, and who was on the list then
    margins.py     what is said of each line that this notebook owns
    real.py        the same runs in the Tornado that Jupyter itself runs on
"""

from ..logs import logged
from . import margins
from .exit_quiz import ask_quiz
from .pictures import Strip, ring
from .questions import ask_all
from .rare import rarely
from .real import beside_tornado
from .runs import loop_and_socket, polls_between

__all__ = [
    "Strip", "ask_all", "ask_quiz", "beside_tornado", "logged", "loop_and_socket", "margins",
    "polls_between", "rarely", "ring",
]  # fmt: skip

ask_all()
ask_quiz()
