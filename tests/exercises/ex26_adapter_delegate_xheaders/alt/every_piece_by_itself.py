"""The tray as a learner fills it: small pieces are not made one."""


class _ServerRequestAdapter:
    def data_received(self, chunk):
        if self.delegate is not None:
            return self.delegate.data_received(chunk)
        self._chunks.append(chunk)
        return None
