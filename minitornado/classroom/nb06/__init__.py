"""What notebook 06 calls: how bytes become a message.

    runs.py        runs of a server that reads lines, and what a trace of one says
    questions.py   what the reader predicts; importing this package asks it
    exit_quiz.py   what the quiz at its end asks
    rare.py        what it takes for the other lines to run
    pictures.py    the way of a read, and the bytes of a buffer over time
    margins.py     what is said of each line that this notebook owns
    real.py        the same packets in the Tornado that Jupyter itself runs on
"""

from . import margins
from .exit_quiz import ask_quiz
from .pictures import Bytes, way
from .questions import ask_all
from .rare import rarely
from .real import beside_tornado
from .runs import PACKETS, goes_on, receives, receives_for, stops, two_reads

__all__ = [
    "PACKETS", "Bytes", "ask_all", "ask_quiz", "beside_tornado", "goes_on", "margins",
    "rarely", "receives", "receives_for", "stops", "two_reads", "way",
]  # fmt: skip

ask_all()
ask_quiz()
