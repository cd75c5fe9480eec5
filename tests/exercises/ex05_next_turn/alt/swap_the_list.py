"""Swaps the queue for an empty one, as Tornado does with its list."""


class IOLoop:
    def add_callback(self, callback, *args, **kwargs):
        self._callbacks.append((functools.partial(callback, *args, **kwargs), ()))
        if self._asleep:
            self._waker.wake()

    def _work(self):
        due = self._pop_due_timeouts()
        callbacks, self._callbacks = self._callbacks, deque()
        for callback, args in callbacks:
            self._run(callback, args)
        for timeout in due:
            if timeout.callback is not None:
                callback, timeout.callback = timeout.callback, None
                self._run(callback)
