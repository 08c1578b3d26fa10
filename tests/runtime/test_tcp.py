"""Links over real sockets: whoever misbehaves is heard no more, and nobody else notices."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from holdfast.keys.file import FileKeys
from holdfast.parties.step import Event, Outgoing, Received
from holdfast.runtime import tcp
from holdfast.runtime.config import Address, parse_address
from holdfast.runtime.links import Links
from holdfast.runtime.tcp import HOST_LIMITS, HostLinks, Limits, Station, listen
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect
from holdfast.wire.framing import frame
from holdfast.wire.message import Message

ECHO = frame(encode(UNIONPAY, Message("0820", {11: "000001", 41: "T0000001", 60: "00000001301"})))
NO_MESSAGE = frame(ECHO[2:13] + b"\xff" * 20)

DEFAULT = Limits()


class Queue:
    """Keeps what is offered; answers each message when asked to."""

    def __init__(self, dialect: Dialect, limits: Limits) -> None:
        self.waiting: deque[Event] = deque()
        self.links = Links(FileKeys(bytes(32), bytes(range(32))))
        self.said: list[str] = []
        self.station = Station(self.links, self, lambda: None, self.say, dialect, limits)

    def offer(self, event: Event) -> None:
        self.waiting.append(event)

    def say(self, event: str, **facts: object) -> None:
        self.said.append(event)

    def answer_all(self) -> None:
        while self.waiting:
            received = self.waiting.popleft()
            assert isinstance(received, Received)
            answer = Message("0830", {39: "00"})
            prepared = self.links.prepare(Outgoing(received.link, answer))
            if prepared is not None:
                self.links.deliver([prepared])


class Peer:
    """One connection to the station under test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.writer.write(chunk)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    async def frame(self) -> bytes:
        async with asyncio.timeout(2):
            length = int.from_bytes(await self.reader.readexactly(2))
            return await self.reader.readexactly(length)

    async def closed(self, within_s: float = 2.0) -> bool:
        try:
            async with asyncio.timeout(within_s):
                return await self.reader.read() == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


@contextlib.asynccontextmanager
async def served(limits: Limits = DEFAULT) -> AsyncIterator[tuple[Queue, Callable[[], "asyncio.Future[Peer]"]]]:
    queue = Queue(UNIONPAY, limits)
    listener = socket.create_server(("127.0.0.1", 0))
    place = listener.getsockname()
    server = await listen(queue.station, listener)
    peers: list[Peer] = []

    async def dial() -> Peer:
        peers.append(Peer(*await asyncio.open_connection(*place)))
        return peers[-1]

    sweeping = asyncio.create_task(_sweep(queue.station))
    try:
        yield queue, lambda: asyncio.ensure_future(dial())
    finally:
        sweeping.cancel()
        queue.station.close()
        server.close()
        for peer in peers:
            peer.writer.close()
            with contextlib.suppress(ConnectionError):
                await peer.writer.wait_closed()


async def _sweep(station: Station) -> None:
    while True:
        station.sweep()
        await asyncio.sleep(0.02)


async def until(check: Callable[[], object], within_s: float = 2.0) -> None:
    async with asyncio.timeout(within_s):
        while not check():  # noqa: ASYNC110 - what is waited for happens in a protocol of the code under test
            await asyncio.sleep(0.01)


async def test_frames_come_in_pieces_and_the_answer_goes_back_the_way_it_came() -> None:
    async with served() as (queue, dial):
        peer = await dial()
        asked = ECHO[:2] + bytes.fromhex("6000030004") + ECHO[7:]
        await peer.send(*(asked[at : at + 7] for at in range(0, len(asked), 7)))
        await until(lambda: queue.waiting)
        queue.answer_all()
        answer = decode(UNIONPAY, await peer.frame())
        assert (answer.mti, answer.tpdu.hex(), answer.header) == ("0830", "6000040003", asked[7:13])


async def test_several_frames_in_one_piece_are_several_messages() -> None:
    async with served() as (queue, dial):
        await (await dial()).send(ECHO * 3)
        await until(lambda: len(queue.waiting) == 3)


@pytest.mark.parametrize("prefix", [b"\x00\x00", b"\x00\x05", b"\xff\xff"])
async def test_a_wrong_length_closes_its_link_and_no_other(prefix: bytes) -> None:
    async with served() as (queue, dial):
        good, bad = await dial(), await dial()
        await bad.send(ECHO + prefix + b"anything")
        assert await bad.closed()
        await good.send(ECHO)
        await until(lambda: len(queue.waiting) == 2)
        assert queue.said == ["closed: the stream is out of step"]


async def test_a_frame_that_is_no_message_is_dropped_and_the_link_stays() -> None:
    async with served() as (queue, dial):
        peer = await dial()
        await peer.send(NO_MESSAGE, ECHO)
        await until(lambda: queue.waiting)
        assert queue.said == ["not a message"]
        queue.answer_all()
        assert await peer.frame()


async def test_a_link_on_which_nothing_is_a_message_is_closed() -> None:
    async with served(Limits(unreadable_max=3)) as (queue, dial):
        peer = await dial()
        await peer.send(NO_MESSAGE * 2, ECHO, NO_MESSAGE * 3)
        assert await peer.closed()
        assert queue.said.count("not a message") == 5


async def test_half_a_frame_and_then_silence_is_closed_and_who_rests_is_not() -> None:
    async with served(Limits(half_frame_s=0.1)) as (queue, dial):
        resting, half = await dial(), await dial()
        await resting.send(ECHO)
        await half.send(ECHO[:20])
        assert await half.closed(1.0)
        assert not await resting.closed(0.2)
        assert queue.said == ["closed: half a frame and no more"]


async def test_bytes_that_trickle_do_not_keep_half_a_frame_alive() -> None:
    async with served(Limits(half_frame_s=0.15)) as (_, dial):
        peer = await dial()
        with contextlib.suppress(ConnectionError):
            for byte in ECHO[:-1]:
                await peer.send(bytes([byte]))
        assert await peer.closed()


async def test_who_rests_too_long_is_closed() -> None:
    async with served(Limits(rest_s=0.1)) as (_, dial):
        assert await (await dial()).closed(1.0)


async def test_who_does_not_read_is_cut_off() -> None:
    async with served(Limits(unread_bytes_max=10_000)) as (queue, dial):
        await dial()
        await until(lambda: queue.station.open)
        (link,) = queue.station.open
        while queue.station.open:
            link.write(bytes(65_536))
            await asyncio.sleep(0)
        assert queue.said == ["closed: the peer does not read its answers"]
        link.write(b"to nobody")


async def test_too_much_waiting_stops_reading_until_it_is_worked_off() -> None:
    async with served(Limits(waiting_high=4, waiting_low=1, half_frame_s=0.05)) as (queue, dial):
        first, second = await dial(), await dial()
        await first.send(ECHO * 4)
        await until(lambda: queue.station.braked)
        await second.send(ECHO * 2)
        late = await dial()
        await late.send(ECHO)
        await asyncio.sleep(0.1)
        assert len(queue.waiting) == 4
        queue.answer_all()
        queue.station.relax()
        await until(lambda: len(queue.waiting) == 3)
        queue.station.stop_reading()
        queue.answer_all()
        queue.station.relax()
        await first.send(ECHO)
        await asyncio.sleep(0.05)
        assert not queue.waiting


async def test_a_link_to_a_host_comes_back_after_the_host_was_away(tmp_path: Path) -> None:
    asking = Queue(ASCII_1987, HOST_LIMITS)
    hosts = HostLinks(asking.station)
    path = tmp_path / "issuer.iso"
    hosts.want({"one": Address(str(path), None)})
    await asyncio.sleep(0.15)
    assert hosts.missing == frozenset({"one"})
    for _ in range(2):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        answering = Queue(ASCII_1987, HOST_LIMITS)
        server = await listen(answering.station, listener)
        await until(lambda: not hosts.missing)
        assert asking.links.hosts() == {"one"}
        prepared = asking.links.prepare(Outgoing("one", Message("0800", {11: "000001"})))
        assert prepared is not None
        asking.links.deliver([prepared])
        await until(partial(len, answering.waiting))
        answering.station.close()
        server.close()
        path.unlink(missing_ok=True)
        await until(lambda: hosts.missing)
    hosts.want({})
    assert not hosts.missing
    await hosts.close()


async def test_links_to_hosts_close_when_one_has_just_been_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connecting(link: tcp.WireLink, address: Address) -> None:
        await made

    monkeypatch.setattr(tcp, "connect", connecting)
    hosts = HostLinks(Queue(ASCII_1987, HOST_LIMITS).station)
    hosts.want({"one": Address("127.0.0.1", 1)})
    await asyncio.sleep(0.01)
    made.set_result(None)
    await asyncio.sleep(0)
    _, pending = await asyncio.wait({asyncio.create_task(hosts.close())}, timeout=2)
    assert not pending, "a cancel is not swallowed"


def test_addresses() -> None:
    texts = ["127.0.0.1:9000", "[::1]:80", "issuer.example:7000", "unix:/run/issuer.iso"]
    assert [str(parse_address(text)) for text in texts] == texts
