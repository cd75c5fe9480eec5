"""Does nothing while bytes wait, and nobody reads."""


class BaseIOStream:
    def _handle_unwanted(self):
        if not self._read_buffer:
            self._read_to_buffer()
