"""Whatever can be called is called."""


class _ServerRequestAdapter:
    def __init__(self, server, server_conn, request_conn):
        self.server = server
        self.connection = request_conn
        self.request = None
        self.delegate = None
        self._chunks = []
        application = server.request_callback
        if not callable(application):
            self.delegate = application.start_request(server_conn, request_conn)
