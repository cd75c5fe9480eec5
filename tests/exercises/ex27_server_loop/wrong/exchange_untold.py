"""Does not say which exchange it is at."""


class HTTP1ServerConnection:
    async def _server_request_loop(self, delegate):
        try:
            keep_alive = True
            while keep_alive:
                conn = HTTP1Connection(
                    self.stream, False, self.params, self.context, self._deadline)
                keep_alive = await conn.read_response(delegate.start_request(self, conn))
                if self.stream.pending():
                    await gen.moment
        except StreamClosedError:
            pass
        except Exception:
            gen_log.error("Uncaught exception", exc_info=True)
            self.stream.close()
        finally:
            self._deadline.close()
            delegate.on_close(self)
