"""The demo server: an application small enough to read, something to watch on every route."""
