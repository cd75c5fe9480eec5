"""Rounds deadlines to milliseconds."""


class IOLoop:
    def call_at(self, when, callback, *args, **kwargs):
        if not when <= self._far_future and when != math.inf:
            raise ValueError("this deadline is years ahead")
        timeout = _Timeout(functools.partial(callback, *args, **kwargs))
        entry = (round(when, 3), next(self._timeout_counter), timeout)
        heapq.heappush(self._timeouts, entry)
        return timeout
