"""Takes the due ones off the heap, removed or not; settles ties by the number of all calls."""


class IOLoop:
    def call_at(self, when, callback, *args, **kwargs):
        if not when <= self._far_future and when != math.inf:
            raise ValueError("this deadline is years ahead")
        timeout = _Timeout(functools.partial(callback, *args, **kwargs))
        entry = (when, next(self._timeout_counter), timeout)
        heapq.heappush(self._timeouts, entry)
        return entry[-1]

    def _pop_due_timeouts(self):
        due, limit = [], (self.time(), math.inf)
        while self._timeouts and self._timeouts[0] < limit:
            _when, _number, timeout = heapq.heappop(self._timeouts)
            due.append(timeout)
            self._cancelled_timeouts -= timeout.callback is None
        return due
