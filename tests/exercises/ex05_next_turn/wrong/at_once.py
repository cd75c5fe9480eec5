"""Calls back at once."""


class IOLoop:
    def add_callback(self, callback, *args, **kwargs):
        self._run(functools.partial(callback, *args, **kwargs))
