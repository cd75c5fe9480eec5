"""A server on aiohttp in its fastest form: no router, no access log."""

import asyncio
import socket
from typing import Any

from aiohttp import web  # type: ignore[import-not-found,unused-ignore]

BIG = bytes(10 * 1024 * 1024)


async def handle(request: Any) -> Any:
    body = b"hello world"
    if request.method == "POST":
        # As request.read(), without its limit of 1 MiB.
        sent = b"".join([chunk async for chunk in request.content.iter_any()])
        body = sent if request.path == "/echo" else b"%d" % len(sent)
    elif request.path == "/big":
        body = BIG
    return web.Response(body=body, content_type="text/plain")


async def main() -> None:
    # By name a TCP socket: asyncio switches Nagle's algorithm off for those alone.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    protocols = web.Server(handle, access_log=None, keepalive_timeout=3600)
    server = await asyncio.get_running_loop().create_server(protocols, sock=listener)
    print(listener.getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
