"""A turn for the others after every exchange; a helper for one."""


class HTTP1ServerConnection:
    async def _one_exchange(self, delegate):
        self._exchange = conn = HTTP1Connection(
            self.stream, params=self.params, context=self.context, deadline=self._deadline)
        try:
            return await conn.read_response(delegate.start_request(self, conn))
        except StreamClosedError:
            return False

    async def _server_request_loop(self, delegate):
        try:
            while await self._one_exchange(delegate):
                await gen.moment
        except Exception:
            gen_log.exception("Uncaught exception")
            self.stream.close()
        finally:
            self._deadline.close()
            delegate.on_close(self)
