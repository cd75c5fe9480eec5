"""Runs until the queue is empty."""


class IOLoop:
    def _work(self):
        due = self._pop_due_timeouts()
        while self._callbacks:
            callback, args = self._callbacks.popleft()
            self._run(callback, args)
        for timeout in due:
            if timeout.callback is not None:
                self._run(timeout.callback)
                timeout.callback = None
