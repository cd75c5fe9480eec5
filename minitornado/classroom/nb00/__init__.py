"""What notebook 00 calls: one request in forty lines.

    pictures.py    the board and the house, to look at before anything runs
    questions.py   what the reader predicts; importing this package asks it
    exit_quiz.py   what the quiz at its end asks
    scenarios.py   runs of a server, and what a trace of one says
    real.py        the same scenario in the Tornado that Jupyter itself runs on

    from minitornado.classroom import nb00
    nb00.board()
    predict("P00.1")
"""

from .exit_quiz import ask_quiz
from .pictures import board, house
from .questions import ask_all
from .real import beside_tornado
from .scenarios import calls, epoll_ctls, turns, two_browsers, when_sent, write_interest

__all__ = [
    "ask_all", "ask_quiz", "beside_tornado", "board", "calls", "epoll_ctls", "house", "turns",
    "two_browsers", "when_sent", "write_interest",
]  # fmt: skip

ask_all()
ask_quiz()
