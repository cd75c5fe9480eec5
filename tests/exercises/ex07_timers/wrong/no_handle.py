"""Sets the timeout, and gives nothing to remove it with."""


class IOLoop:
    def call_later(self, delay, callback, *args, **kwargs):
        self.call_at(self.time() + delay, callback, *args, **kwargs)
