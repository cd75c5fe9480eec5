"""Rings whether anybody sleeps or not."""


class IOLoop:
    def add_callback(self, callback, *args, **kwargs):
        self._callbacks.append((functools.partial(callback, **kwargs), args))
        self._waker.wake()
