"""Small pages for machines over HTTP/1.1: GET and HEAD, one answer for each connection, nothing that anybody sends us.

Whoever asks gets some seconds to say so; what is not understood is answered and closed, never raised.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

HEAD_BYTES_MAX = 8192
"""A request line and the headers of any scraper; nobody here reads the headers."""

PATIENCE_S = 5.0
"""How long a question may take to arrive, and its answer to leave."""

TEXT = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """What is answered."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT


Pages: TypeAlias = Mapping[str, Callable[[], Awaitable[Page]]]
"""Path -> what makes the page."""


async def serve_pages(listener: socket.socket, pages: Pages) -> asyncio.Server:
    """Answer whoever connects to that socket."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, TimeoutError):
                await answer(pages, reader, writer)
        finally:
            writer.close()

    return await asyncio.start_server(serve, sock=listener, limit=HEAD_BYTES_MAX)


async def answer(pages: Pages, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One question and its answer. OSError and TimeoutError when the other side goes away."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    except asyncio.IncompleteReadError:
        return
    except asyncio.LimitOverrunError:
        page, with_body = Page(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"too long\n"), True
    else:
        page, with_body = await asked(pages, head)
    writer.write(bytes_of(page, with_body))
    await asyncio.wait_for(writer.drain(), PATIENCE_S)


async def asked(pages: Pages, head: bytes) -> tuple[Page, bool]:
    """The page that a request's head asks for, and whether its body is wanted."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return Page(HTTPStatus.BAD_REQUEST, b"this speaks HTTP/1.1\n"), True
    method, target, _ = words
    make = pages.get(target.partition("?")[0])
    if make is None:
        return Page(HTTPStatus.NOT_FOUND, f"here are {' '.join(pages)}\n".encode()), method != "HEAD"
    if method not in ("GET", "HEAD"):
        return Page(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n"), True
    return await make(), method != "HEAD"


def bytes_of(page: Page, with_body: bool) -> bytes:
    """A whole answer."""
    lines = [
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if page.status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join([*lines, "", ""]).encode() + (page.body if with_body else b"")
