"""A bare ASGI application on uvicorn: `uvicorn_server.py h11 asyncio`, or `httptools uvloop`."""

import asyncio
import socket
import sys
from typing import Any

import uvicorn  # type: ignore[import-not-found,unused-ignore]

BIG = bytes(10 * 1024 * 1024)


async def application(scope: Any, receive: Any, send: Any) -> None:
    body = b"hello world"
    if scope["method"] == "POST":
        chunks, more = [], True
        while more:
            event = await receive()
            chunks.append(event.get("body", b""))
            more = event.get("more_body", False)
        sent = b"".join(chunks)
        body = sent if scope["path"] == "/echo" else b"%d" % len(sent)
    elif scope["path"] == "/big":
        body = BIG
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


http, loop = sys.argv[1:]
config = uvicorn.Config(
    application, http=http, loop=loop, lifespan="off", access_log=False, log_level="warning",
    timeout_keep_alive=3600,
)  # fmt: skip
# By name a TCP socket: asyncio switches Nagle's algorithm off for those alone.
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
listener.listen(128)
print(listener.getsockname()[1], flush=True)
server = uvicorn.Server(config)
if loop == "uvloop":
    import uvloop  # type: ignore[import-not-found,unused-ignore]

    uvloop.run(server.serve(sockets=[listener]))
else:
    asyncio.run(server.serve(sockets=[listener]))
