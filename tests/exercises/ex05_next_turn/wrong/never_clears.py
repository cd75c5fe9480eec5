"""Runs a copy of the queue, and leaves the queue as it is."""


class IOLoop:
    def _work(self):
        due = self._pop_due_timeouts()
        for callback, args in list(self._callbacks):
            self._run(callback, args)
        for timeout in due:
            if timeout.callback is not None:
                self._run(timeout.callback)
                timeout.callback = None
