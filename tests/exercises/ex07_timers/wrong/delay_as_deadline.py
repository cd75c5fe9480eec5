"""Takes a span for a point in time."""


class IOLoop:
    def call_later(self, delay, callback, *args, **kwargs):
        return self.call_at(delay, callback, *args, **kwargs)
