"""A TCP relay that loses what it is told to lose: for demonstrations and for chaos on real sockets.

It knows nothing of messages: `to_server` and `to_client` say what happens to the bytes of each direction.
"""

import asyncio
import contextlib
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of bytes."""

    CARRY = "carry"
    LOSE = "lose"


class Relay:
    """Listens on a loopback port and passes on to one server, until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._server_at = (host, port)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self.to_server = Fate.CARRY
        self.to_client = Fate.CARRY
        self.asked = asyncio.Event()
        """Set when bytes have gone to the server."""
        self.lost = 0
        """How many chunks were lost."""

    async def open(self) -> int:
        """Listen; -> the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._server_at)
        except OSError:
            writer.close()
            return
        both = [
            asyncio.create_task(self._pass_on(reader, server_writer, to_server=True)),
            asyncio.create_task(self._pass_on(server_reader, writer, to_server=False)),
        ]
        self._links.update(both)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, server_writer):
            end.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_server: bool) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while chunk := await reader.read(65536):
                if (self.to_server if to_server else self.to_client) is Fate.LOSE:
                    self.lost += 1
                    continue
                writer.write(chunk)
                await writer.drain()
                if to_server:
                    self.asked.set()
