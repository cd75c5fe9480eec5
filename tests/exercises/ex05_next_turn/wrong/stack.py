"""Takes the newest first."""


class IOLoop:
    def _work(self):
        due = self._pop_due_timeouts()
        for _ in range(len(self._callbacks)):
            callback, args = self._callbacks.pop()
            self._run(callback, args)
        for timeout in due:
            if timeout.callback is not None:
                self._run(timeout.callback)
                timeout.callback = None
