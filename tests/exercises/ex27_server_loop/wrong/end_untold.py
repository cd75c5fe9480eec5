"""Tells of the end only where it comes by itself."""


class HTTP1ServerConnection:
    async def _server_request_loop(self, delegate):
        keep_alive = True
        while keep_alive:
            conn = HTTP1Connection(
                self.stream, False, self.params, self.context, self._deadline)
            self._exchange = conn
            try:
                keep_alive = await conn.read_response(delegate.start_request(self, conn))
            except StreamClosedError:
                return
            except Exception:
                gen_log.error("Uncaught exception", exc_info=True)
                self.stream.close()
                break
            if self.stream.pending():
                await gen.moment
        self._deadline.close()
        delegate.on_close(self)
