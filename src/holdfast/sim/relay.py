"""A TCP relay that does to bytes what it is told to do: for demonstrations and for chaos on real sockets.

It changes no message. `to_server` and `to_client` say what happens to the bytes of each direction; it counts frames by
their length prefix, so that it can say which connections wait for an answer.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from enum import StrEnum

from holdfast.errors import WireError
from holdfast.wire.framing import Frames

CHUNK_BYTES = 65536
LOOK_EVERY_S = 0.02


class Fate(StrEnum):
    """What becomes of bytes. Those that `wait` arrive all the same once they are carried again."""

    CARRY = "carry"
    LOSE = "lose"
    LOSE_SOME = "lose some"
    WAIT = "wait"


class Link:
    """One client's connection to us and ours to the server. `server_port` is our own end of the latter."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server_at: tuple[str, int],
    ) -> None:
        self.client, self.server = client, server
        self.server_at = server_at
        self.server_port: int = server[1].get_extra_info("sockname")[1]
        self.half_open = False
        self._asked = Counted()
        self._answered = Counted()

    @property
    def in_flight(self) -> int:
        """How many requests reached the server and were not answered; of a stream out of step the last that was so."""
        return max(self._asked.frames - self._answered.frames, 0)

    def count(self, chunk: bytes, to_server: bool) -> int:
        """These bytes were carried; -> how many frames they ended."""
        counted = self._asked if to_server else self._answered
        before = counted.frames
        counted.feed(chunk)
        return counted.frames - before

    def cut(self) -> None:
        """Hang up on both, without a last word."""
        for _, writer in (self.client, self.server):
            writer.transport.abort()

    def cut_half(self) -> None:
        """Hang up on the server alone: the client believes that it is still connected."""
        self.half_open = True
        self.server[1].transport.abort()


class Counted:
    """How many whole frames a stream had."""

    def __init__(self) -> None:
        self.frames = 0
        self._stream: Frames | None = Frames()

    def feed(self, chunk: bytes) -> None:
        """Some more bytes."""
        if self._stream is not None:
            try:
                self.frames += len(self._stream.feed(chunk))
            except WireError:
                self._stream = None


class Relay:
    """Listens on a loopback port and passes on to its servers in turn; to the next where one does not take it."""

    def __init__(self, host: str, port: int, *others: tuple[str, int]) -> None:
        self.servers: tuple[tuple[str, int], ...] = ((host, port), *others)
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self.links: set[Link] = set()
        self.to_server = Fate.CARRY
        self.to_client = Fate.CARRY
        self.delay_s = 0.0
        """How long every chunk takes."""
        self.refuses = False
        """Whether whoever connects is hung up on."""
        self.asked = asyncio.Event()
        """Set when bytes have gone to the server."""
        self.lost = 0
        """How many chunks were lost."""
        self.answers = 0
        """How many frames have gone to clients."""

    async def open(self) -> int:
        """Listen; -> the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for carrying in self._carrying:
            carrying.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def heal(self) -> None:
        """From now on everything is carried, at once, for everybody; what was half cut is hung up on."""
        self.to_server = self.to_client = Fate.CARRY
        self.delay_s, self.refuses = 0.0, False
        for link in list(self.links):
            if link.half_open:
                link.cut()

    def cut(self) -> None:
        """Hang up on everybody who is connected now."""
        for link in list(self.links):
            link.cut()

    def cut_half(self) -> None:
        """The servers' ends of all links are gone, and no client is told."""
        for link in list(self.links):
            link.cut_half()

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return sum(link.in_flight for link in self.links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = None if self.refuses else await self._linked(reader, writer)
        if link is None:
            writer.transport.abort()
            return
        to_server = asyncio.create_task(self._pass_on(link, to_server=True))
        to_client = asyncio.create_task(self._pass_on(link, to_server=False))
        self.links.add(link)
        self._carrying.update((to_server, to_client))
        try:
            await asyncio.wait((to_server, to_client), return_when=asyncio.FIRST_COMPLETED)
            if link.half_open:
                await asyncio.wait((to_server,))
        finally:
            self.links.discard(link)
            for carrying in (to_server, to_client):
                carrying.cancel()
            self._carrying.difference_update((to_server, to_client))
            for _, end in (link.client, link.server):
                end.close()

    async def _linked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Link | None:
        in_turn = self.servers
        self.servers = (*in_turn[1:], in_turn[0])
        for host, port in in_turn:
            with contextlib.suppress(OSError):
                return Link((reader, writer), await asyncio.open_connection(host, port), (host, port))
        return None

    async def _pass_on(self, link: Link, to_server: bool) -> None:
        source, target = (link.client, link.server) if to_server else (link.server, link.client)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while chunk := await source[0].read(CHUNK_BYTES):
                await self._held_up(to_server)
                for piece in self._kept(chunk, link, to_server):
                    target[1].write(piece)
                    await target[1].drain()
                    frames = link.count(piece, to_server)
                    if to_server:
                        self.asked.set()
                    else:
                        self.answers += frames

    async def _held_up(self, to_server: bool) -> None:
        await asyncio.sleep(self.delay_s)
        while True:
            if self._fate(to_server) is not Fate.WAIT:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _fate(self, to_server: bool) -> Fate:
        return self.to_server if to_server else self.to_client

    def _kept(self, chunk: bytes, link: Link, to_server: bool) -> Iterable[bytes]:
        """What of a chunk is carried on."""
        fate = self._fate(to_server)
        if fate is Fate.CARRY and not (link.half_open and to_server):
            return (chunk,)
        self.lost += 1
        return (chunk[: len(chunk) // 3], chunk[len(chunk) // 2 :]) if fate is Fate.LOSE_SOME else ()
