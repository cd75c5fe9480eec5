"""A generator; _work collects what it yields before it runs any."""


class IOLoop:
    def _pop_due_timeouts(self):
        now = self.time()
        while self._timeouts and self._timeouts[0][0] <= now:
            timeout = heapq.heappop(self._timeouts)[2]
            if timeout.callback is None:
                self._cancelled_timeouts -= 1
            else:
                yield timeout
