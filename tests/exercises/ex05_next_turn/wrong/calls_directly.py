"""Calls what waits itself, and lets through what it raises."""


class IOLoop:
    def _work(self):
        due = self._pop_due_timeouts()
        for _ in range(len(self._callbacks)):
            callback, args = self._callbacks.popleft()
            callback(*args)
        for timeout in due:
            if timeout.callback is not None:
                timeout.callback()
                timeout.callback = None
