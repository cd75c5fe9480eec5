"""Leaves a sleeping loop asleep."""


class IOLoop:
    def add_callback(self, callback, *args, **kwargs):
        self._callbacks.append((functools.partial(callback, **kwargs), args))
