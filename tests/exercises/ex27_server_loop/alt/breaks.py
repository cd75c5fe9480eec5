"""Breaks out where the other asks."""


class HTTP1ServerConnection:
    async def _server_request_loop(self, delegate):
        try:
            while not self.stream.closed():
                conn = HTTP1Connection(
                    self.stream, False, self.params, self.context, self._deadline)
                self._exchange = conn
                if not await conn.read_response(delegate.start_request(self, conn)):
                    break
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


class HTTPServer:
    def handle_stream(self, stream, address):
        conn = HTTP1ServerConnection(stream, self.conn_params, _HTTPRequestContext(
            stream, address, self.protocol, self.trusted_downstream))
        self._connections.add(conn)
        conn.start_serving(self)

    def on_close(self, server_conn):
        self._connections -= {server_conn}
