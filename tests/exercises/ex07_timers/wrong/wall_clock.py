"""Counts from the wall clock."""


class IOLoop:
    def call_later(self, delay, callback, *args, **kwargs):
        return self.call_at(time.time() + delay, callback, *args, **kwargs)
