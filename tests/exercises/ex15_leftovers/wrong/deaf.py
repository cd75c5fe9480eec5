"""Stops listening as soon as nobody reads."""


class BaseIOStream:
    def _handle_unwanted(self):
        self._drop_io_state(IOLoop.READ)
