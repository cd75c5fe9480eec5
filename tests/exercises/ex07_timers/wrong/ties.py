"""Nothing settles a tie."""


class IOLoop:
    def call_at(self, when, callback, *args, **kwargs):
        if not when <= self._far_future and when != math.inf:
            raise ValueError("this deadline is years ahead")
        timeout = _Timeout(functools.partial(callback, *args, **kwargs))
        heapq.heappush(self._timeouts, (when, 0, timeout))
        return timeout
