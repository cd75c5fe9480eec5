"""minitornado: one HTTP request, every callback, explained."""

from . import gen as _gen  # hands the loop its way to start coroutines

__version__ = "0.1.0"

del _gen
