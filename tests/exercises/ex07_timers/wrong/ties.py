"""Nothing settles a tie."""


class IOLoop:
    def call_at(self, when, callback, *args, **kwargs):
        timeout = _Timeout(functools.partial(callback, *args, **kwargs))
        heapq.heappush(self._timeouts, (when, 0, timeout))
        return timeout
