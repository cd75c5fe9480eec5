"""Ends without a word, and leaves the connection open."""


class HTTP1ServerConnection:
    async def _server_request_loop(self, delegate):
        try:
            keep_alive = True
            while keep_alive:
                conn = HTTP1Connection(
                    self.stream, False, self.params, self.context, self._deadline)
                self._exchange = conn
                keep_alive = await conn.read_response(delegate.start_request(self, conn))
                if self.stream.pending():
                    await gen.moment
        except StreamClosedError:
            pass
        except Exception:
            return
        finally:
            self._deadline.close()
            delegate.on_close(self)
