"""Runs the timeouts before the callbacks."""


class IOLoop:
    def _work(self):
        waiting = len(self._callbacks)
        for timeout in self._pop_due_timeouts():
            if timeout.callback is not None:
                self._run(timeout.callback)
                timeout.callback = None
        for _ in range(waiting):
            callback, args = self._callbacks.popleft()
            self._run(callback, args)
