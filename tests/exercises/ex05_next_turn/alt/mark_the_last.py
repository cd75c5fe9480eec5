"""Takes out of the queue what is to run, then runs it; a helper of its own."""


class IOLoop:
    def _take(self):
        waiting = []
        for _ in range(len(self._callbacks)):
            waiting.append(self._callbacks.popleft())
        return waiting

    def _work(self):
        timeouts = self._pop_due_timeouts()
        for callback, args in self._take():
            self._run(callback, args)
        for timeout in timeouts:
            if timeout.callback:
                self._run(timeout.callback)
            timeout.callback = None
