"""Keeps the positional arguments only."""


class IOLoop:
    def add_callback(self, callback, *args, **kwargs):
        self._callbacks.append((callback, args))
        if self._asleep:
            self._waker.wake()
