"""Takes removed ones off the heap, and counts them on."""


class IOLoop:
    def _pop_due_timeouts(self):
        now, due = self.time(), []
        while self._timeouts and self._timeouts[0][0] <= now:
            timeout = heapq.heappop(self._timeouts)[2]
            if timeout.callback is not None:
                due.append(timeout)
        return due
