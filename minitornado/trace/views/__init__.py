"""Views: a trace as a story, as a picture, as an answer to "why did this run now?"."""

from .counts import Counts
from .lanes import Lanes
from .live import Live
from .story import Step, Story

__all__ = ["Counts", "Lanes", "Live", "Step", "Story"]
