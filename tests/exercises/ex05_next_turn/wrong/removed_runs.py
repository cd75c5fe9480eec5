"""Runs what was due at the start of the turn, removed or not."""


class IOLoop:
    def _work(self):
        due = [(timeout, timeout.callback) for timeout in self._pop_due_timeouts()]
        for _ in range(len(self._callbacks)):
            callback, args = self._callbacks.popleft()
            self._run(callback, args)
        for timeout, callback in due:
            self._run(callback)
            timeout.callback = None
