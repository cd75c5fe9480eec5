"""What notebook 11 calls: HTTPServer and _ServerRequestAdapter.

    pictures.py     the adapter between the events and the two kinds of application
    questions.py    what the reader predicts; importing this package asks it
    exit_quiz.py   what the quiz at its end asks
    scenarios.py    runs of a server, and what a trace of one says
    margins.py      what the notebook says of each line that it owns
    real.py         the same scenarios in the Tornado that Jupyter itself runs on

    from minitornado.classroom import nb11
    nb11.adapter()
    predict("P11.1")
"""

from ..logs import Logged, logged
from . import margins as margins  # so that `explain` knows them
from .exit_quiz import ask_quiz
from .pictures import adapter
from .questions import ask_all
from .real import beside_tornado
from .scenarios import (
    adapters,
    client_got,
    conversation,
    half_a_request,
    order,
    request_made,
    said_by,
    second_client,
    when_it_leaves,
)

__all__ = [
    "Logged", "adapter", "adapters", "ask_all", "ask_quiz", "beside_tornado", "client_got",
    "conversation", "half_a_request", "logged", "order", "request_made", "said_by",
    "second_client", "when_it_leaves",
]  # fmt: skip

ask_all()
ask_quiz()
