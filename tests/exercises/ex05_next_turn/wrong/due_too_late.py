"""Asks which timeouts are due after the callbacks have run."""


class IOLoop:
    def _work(self):
        for _ in range(len(self._callbacks)):
            callback, args = self._callbacks.popleft()
            self._run(callback, args)
        for timeout in self._pop_due_timeouts():
            if timeout.callback is not None:
                self._run(timeout.callback)
                timeout.callback = None
