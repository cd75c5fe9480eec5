"""A server on asyncio's streams.  It finds the end of a request, and understands no more of it."""

import asyncio
import re
import socket

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain%b\r\nContent-Length: %d\r\n\r\n"
CLOSE = b"\r\nConnection: close"
BIG = bytes(10 * 1024 * 1024)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = b"hello world"
            if head.startswith(b"POST"):
                sent = await read_body(reader, head)
                body = sent if head.startswith(b"POST /echo") else b"%d" % len(sent)
            elif head.startswith(b"GET /big"):
                body = BIG
            close = CLOSE if CLOSE in head else b""
            writer.write(HEAD % (close, len(body)) + body)
            await writer.drain()
            if close:
                break
    except asyncio.IncompleteReadError:
        pass  # the client has left
    writer.close()


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    length = LENGTH.search(head)
    if length is not None:
        return await reader.readexactly(int(length[1]))
    chunks = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(chunks)


async def main() -> None:
    # By name a TCP socket: asyncio switches Nagle's algorithm off for those alone.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    server = await asyncio.start_server(serve, sock=listener)
    print(listener.getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
