"""Takes back the address alone."""


class _HTTPRequestContext:
    def _unapply_xheaders(self):
        self.remote_ip = self._orig_remote_ip
