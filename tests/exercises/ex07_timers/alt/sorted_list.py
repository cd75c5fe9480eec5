"""A sorted list, kept so by insertion: its first entry is the smallest, as a heap's is."""


class IOLoop:
    def call_later(self, delay, callback, *args, **kwargs):
        return self.call_at(delay + self.time(), callback, *args, **kwargs)

    def call_at(self, when, callback, *args, **kwargs):
        if not when <= self._far_future and when != math.inf:
            raise ValueError("this deadline is years ahead")
        import bisect

        timeout = _Timeout(lambda: callback(*args, **kwargs))
        bisect.insort(self._timeouts, (when, next(self._timeout_counter), timeout))
        return timeout

    def _pop_due_timeouts(self):
        due = []
        now = self.time()
        while len(self._timeouts) > 0:
            when, _number, timeout = self._timeouts[0]
            if when > now:
                break
            del self._timeouts[0]
            due.append(timeout)
        dead = [timeout for timeout in due if timeout.callback is None]
        self._cancelled_timeouts -= len(dead)
        return [timeout for timeout in due if timeout.callback is not None]
