"""Receives, whether anybody reads or not."""


class BaseIOStream:
    def _handle_unwanted(self):
        self._read_to_buffer()
