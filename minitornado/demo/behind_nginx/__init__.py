"""Several single processes behind nginx: the fourth way to use more than one core.

                                ┌──> 127.0.0.1:8081   HTTPServer(xheaders=True), one process
    clients ──> nginx :8080 ────┼──> 127.0.0.1:8082   another
                                └──> 127.0.0.1:8083   and another

    python -m minitornado.demo.behind_nginx --processes 3 --port 8080

Forking (`HTTPServer.start`) lets all processes accept from one socket, and whoever is quicker
gets the connection.  Here nginx hands out the requests.  It also holds what would keep a Python
process busy for nothing: TLS, clients that read slowly, connections that idle.  When a process
dies, or is replaced by a newer version, its requests go to the others.

    nginx.conf    the configuration, explained line by line
    backend.py    one process: server, port, graceful stop
    family.py     starts all of them, restarts those that die, stops them in the right order

On a real machine systemd or supervisord does the work of `family.py`.
"""
