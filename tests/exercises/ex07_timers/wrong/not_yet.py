"""Exactly now is not due."""


class IOLoop:
    def _pop_due_timeouts(self):
        now, due = self.time(), []
        while self._timeouts and self._timeouts[0][0] < now:
            timeout = heapq.heappop(self._timeouts)[2]
            if timeout.callback is None:
                self._cancelled_timeouts -= 1
            else:
                due.append(timeout)
        return due
