"""Pages for machines: what is asked is answered, what is not understood too, and nobody is waited for."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

import pytest

from holdfast.runtime import pages
from holdfast.runtime.pages import Page, serve_pages

Ask = Callable[[bytes], Awaitable[bytes]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Sends bytes to a server with one page, and reads until it hangs up."""

    async def hello() -> Page:
        return Page(HTTPStatus.OK, "你好\n".encode())

    async def broken() -> Page:
        raise RuntimeError("a bug")

    listener = socket.create_server(("127.0.0.1", 0))
    server = await serve_pages(listener, {"/hello": hello, "/broken": broken})

    async def sent(head: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(head)
        told = await reader.read()
        writer.close()
        return told

    yield sent
    server.close()


async def test_a_page(ask: Ask) -> None:
    told = await ask(b"GET /hello?again=1 HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n\r\n")
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: 7",
        b"Cache-Control: no-store",
        b"Connection: close",
    ]
    assert body.decode() == "你好\n"
    assert await ask(b"HEAD /hello HTTP/1.0\r\n\r\n") == head + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /hello HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /hello\r\n\r\n", 400),
        (b"GET /hello SPDY/3\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\xff\xfe \x00 \xff\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nX: " + b"x" * pages.HEAD_BYTES_MAX + b"\r\n\r\n", 431),
    ],
)
async def test_what_cannot_be_answered_is_told_so(ask: Ask, head: bytes, status: int) -> None:
    assert (await ask(head)).startswith(f"HTTP/1.1 {status} ".encode())


async def test_whoever_says_nothing_is_hung_up_on(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PATIENCE_S", 0.05)
    assert await ask(b"GET /hello") == b""


async def test_a_page_that_fails_keeps_no_connection(ask: Ask) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    assert await asyncio.wait_for(ask(b"GET /broken HTTP/1.1\r\n\r\n"), 5) == b""
    assert (await ask(b"GET /hello HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
