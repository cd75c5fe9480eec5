"""What two modules share and neither should own.

Tornado 4.4: tornado/util.py, of which this is all that the server stack needs.
"""

import datetime


def timedelta_to_seconds(span: float | datetime.timedelta) -> float:
    """Return `span` in seconds; a number passes through.

    >>> timedelta_to_seconds(datetime.timedelta(minutes=1.5))
    90.0
    """
    return span.total_seconds() if isinstance(span, datetime.timedelta) else span
