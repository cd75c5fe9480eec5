"""The traced demo server's page: at /, it draws the chain of every request as it happens.

    tracer ── events ──> History ── summaries ──> Watcher ── text/event-stream ──> browser
                            └────── one request's lanes and steps, as JSON ──────────┘

    history    of a server that runs for days, what the page can still show.  Pure
    drawing    one request as lanes and steps.  Pure
    watchers   a browser that watches, and the little that is kept for it
    quiet      the log in the terminal, without the requests of those who watch
    clients    what a browser can't be: a client that pipelines, one that reads slowly
    site       the page's routes, in front of the demo application's
    untraced   the page of a server that nobody traces

The page is served by the server that it shows, in the same loop.  What it needs for itself is
under /trace/, and is left out of what is shown, unless somebody asks.
"""
