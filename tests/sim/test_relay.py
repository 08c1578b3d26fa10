"""The relay: what it is told to do to bytes happens, in the direction that was named, and healing ends it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from holdfast.sim.relay import Fate, Relay
from holdfast.wire.framing import frame

QUESTION, ANSWER = frame(b"a question of a client"), frame(b"an answer of the server")
SOON_S, SILENT_S = 5.0, 0.15

Ends = tuple[Relay, asyncio.StreamReader, asyncio.StreamWriter]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that answers each question that it gets whole."""
    try:
        while await reader.readexactly(len(QUESTION)) == QUESTION:
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


@asynccontextmanager
async def connected(*before: tuple[str, int]) -> AsyncIterator[Ends]:
    """A client behind a relay; `before` are servers that the relay tries first."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    servers = (*before, ("127.0.0.1", server.sockets[0].getsockname()[1]))
    relay = Relay(*servers[0], *servers[1:])
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.open())
    try:
        yield relay, reader, writer
    finally:
        writer.close()
        await relay.close()
        server.close()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_s: float = SOON_S) -> bytes:
    """One question; -> the answer, b"" when none came or the line was hung up."""
    try:
        writer.write(QUESTION)
        return await asyncio.wait_for(reader.readexactly(len(ANSWER)), patience_s)
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return b""


def on_a_relay(story: Callable[[Ends], Awaitable[None]], *before: tuple[str, int]) -> None:
    async def run() -> None:
        async with connected(*before) as ends:
            await story(ends)

    asyncio.run(run())


def test_carries_both_ways_and_counts_what_waits_for_an_answer() -> None:
    async def story(ends: Ends) -> None:
        relay, reader, writer = ends
        assert await asked(reader, writer) == ANSWER
        assert (relay.in_flight, relay.answers) == (0, 1)
        relay.to_client = Fate.LOSE
        assert await asked(reader, writer, SILENT_S) == b""
        assert relay.in_flight == 1
        assert relay.lost == 1

    on_a_relay(story)


def test_what_waits_arrives_when_it_is_carried_again() -> None:
    async def story(ends: Ends) -> None:
        relay, reader, writer = ends
        for direction in ("to_server", "to_client"):
            setattr(relay, direction, Fate.WAIT)
            assert await asked(reader, writer, SILENT_S) == b""
            relay.heal()
            assert await asyncio.wait_for(reader.readexactly(len(ANSWER)), SOON_S) == ANSWER

    on_a_relay(story)


def test_what_lost_some_bytes_is_out_of_step() -> None:
    async def story(ends: Ends) -> None:
        relay, reader, writer = ends
        relay.to_server = Fate.LOSE_SOME
        assert await asked(reader, writer, SILENT_S) == b""
        relay.heal()
        assert await asked(reader, writer, SILENT_S) == b"", "the server waits for the rest of a frame"

    on_a_relay(story)


@pytest.mark.parametrize("what", ["cut", "refuse"])
def test_hangs_up(what: str) -> None:
    async def story(ends: Ends) -> None:
        relay, reader, writer = ends
        assert await asked(reader, writer) == ANSWER
        if what == "refuse":
            relay.refuses = True
            port = writer.get_extra_info("peername")[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        else:
            relay.cut()
        assert await asked(reader, writer) == b""

    on_a_relay(story)


def test_a_client_of_a_half_cut_line_is_not_told() -> None:
    async def story(ends: Ends) -> None:
        relay, reader, writer = ends
        assert await asked(reader, writer) == ANSWER
        relay.cut_half()
        assert await asked(reader, writer, SILENT_S) == b""
        assert not reader.at_eof()
        relay.heal()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asyncio.wait_for(reader.readexactly(1), SOON_S)

    on_a_relay(story)


def test_the_next_server_takes_whom_the_first_does_not() -> None:
    async def story(ends: Ends) -> None:
        _, reader, writer = ends
        assert await asked(reader, writer) == ANSWER

    on_a_relay(story, ("127.0.0.1", 1))
