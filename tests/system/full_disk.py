"""A terminal on a disk of its own that is filled and freed again; what it says is printed as JSON, one object a line.

    unshare -U -r -m python -m tests.system.full_disk FOLDER TERMINAL HOST:PORT CARD CARD CARD

Between the terminal and the acquirer stands a line that can hold back what the acquirer answers.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from holdfast.clock import SECOND_US
from holdfast.domain.records import SALES
from holdfast.edges import sample
from holdfast.edges.counter import load_sample
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime.config import parse_address
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.pos import SYSTEM, Pos, file_of

DISK_BYTES = 3 << 20
PATIENCE_US = 3 * SECOND_US
OPERATOR = "01"


class Line:
    """A relay to the acquirer; while `open` is not set, no answer comes through."""

    def __init__(self, host: str, port: int | None) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self._host, self._port = host, port

    async def listen(self) -> str:
        """-> where the terminal connects."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(self._pass_on(reader, far_writer, False), self._pass_on(far_reader, writer, True))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                if held:
                    await self.open.wait()
                writer.write(chunk)
        writer.close()


class Disk:
    """A file system in memory, of this process alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        options = f"size={DISK_BYTES},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        """Not a byte is left, and what the journal's log has already is used up."""
        with (self.folder / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """There is room again."""
        (self.folder / "filler").unlink()


def tell(what: str, **facts: Any) -> None:
    """One line."""
    sys.stdout.write(orjson.dumps({"what": what, **facts}).decode() + "\n")
    sys.stdout.flush()


async def pre_auth(pos: Pos, pan: str) -> Mapping[str, Any]:
    """What the cashier is told, and how long that took."""
    began_s = time.monotonic()
    card = {"pan": pan, "expiry": sample.EXPIRY}
    value = await pos.ask("pre-auth", {"amount_minor": 10_000, "card": card}, OPERATOR)
    return {**value, "took_s": time.monotonic() - began_s}


async def in_flight(pos: Pos) -> None:
    """Until a request has been sent."""
    async with asyncio.timeout(20):
        while not getattr(await pos.device(), "in_flight", ""):  # noqa: ASYNC110 - it happens in the terminal's own task
            await asyncio.sleep(0.01)


async def main(folder: Path, terminal_id: str, at: str, *cards: str) -> None:
    """The whole story."""
    disk = Disk(folder)
    address = parse_address(at)
    line = Line(address.host, address.port)
    settings = TerminalSettings(terminal_id, PATIENCE_US)
    pos = await Pos.open(DataFolder(folder).path, settings, lambda event, **_: None)
    await load_sample(pos)
    await pos.connect(parse_address(await line.listen()))
    assert await pos.ready(OPERATOR, 30) is None
    tell("before", **await pre_auth(pos, cards[0]))

    disk.fill()
    tell("full", **await pre_auth(pos, cards[1]))
    tell("sign-on", **await pos.tell("sign-on", {}, OPERATOR))
    disk.free()
    await asyncio.sleep(2.5)
    tell("kept", asked=[sale.trace_key for sale in await requests(pos)])
    tell("freed", **await pre_auth(pos, cards[1]))

    line.open.clear()
    asking = asyncio.create_task(pre_auth(pos, cards[2]))
    await in_flight(pos)
    disk.fill()
    line.open.set()
    value = await asking
    tell("in-flight", **value)
    tell("not-shown", outcomes=[sale.outcome for sale in await requests(pos)])
    disk.free()
    no = await pos.ready(SYSTEM, 60)
    tell("in-the-end", no=no, outcomes=[sale.outcome for sale in await requests(pos)])

    disk.fill()
    tell("full-again", **await pre_auth(pos, cards[1]))
    os.sync()
    await pos.close()
    disk.free()
    pos = await Pos.open(folder, settings, lambda event, **_: tell("said", event=event))
    tell("opened", whole=file_of(folder, terminal_id).exists(), sales=len(await requests(pos)))
    await pos.close()


async def requests(pos: Pos) -> list[Any]:
    """The business requests of the journal."""
    rows = await pos.reader.select(SALES, {}, order="sequence")
    return [sale for sale in reversed(rows) if sale.batch]


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
