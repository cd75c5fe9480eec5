"""A list that is sorted after every call."""


class IOLoop:
    def call_at(self, when, callback, *args, **kwargs):
        if not when <= self._far_future and when != math.inf:
            raise ValueError("this deadline is years ahead")
        timeout = _Timeout(functools.partial(callback, *args, **kwargs))
        self._timeouts.append((when, next(self._timeout_counter), timeout))
        self._timeouts.sort()
        return timeout
