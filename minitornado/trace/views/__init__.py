"""Views: a trace as a story, as a picture, as an answer to "why did this run now?".

    Story(trace)      one plain sentence a step, each with what it is because of
    Live()            a sink: one line an event, as it happens
    Counts(trace)     what a request cost: turns, polls, syscalls
    Lanes(trace)      one lane a class, one band a turn: SVG, and text
    Why(trace, seq)   from an event back to the kernel
    Turns(trace)      one row a turn of the loop
    Stepper(trace)    one step at a time, forward and back, with source and state
    Buffers(trace)    the two buffers of a stream, and its interest, over time
    Tree(trace)       what followed from what
    Diff(one, other)  two stories side by side
    page(trace)       stepper, picture, story and turns as one HTML file

Story, Counts, Lanes, Stepper and Tree are of the whole trace, of one connection
(`conn="c1"`) or of one request (`req="c1r1"`).  All print with rich, have `text(width)`, and
show themselves in a notebook.
"""

from .buffers import Buffers
from .counts import Counts
from .diff import Diff
from .lanes import Lanes
from .live import Live
from .page import page
from .stepper import Stepper
from .story import Step, Story
from .tree import Tree
from .turns import Turns
from .view import Picture, View
from .why import Why

__all__ = [
    "Buffers", "Counts", "Diff", "Lanes", "Live", "Picture", "Step", "Stepper", "Story", "Tree",
    "Turns", "View", "Why", "page",
]  # fmt: skip
