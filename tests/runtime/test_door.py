"""The door: commands from another process, answered when they are durable."""

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from holdfast.errors import BadInput, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.parties.step import Command, Event, Outcome
from holdfast.runtime import door as doors
from holdfast.runtime.door import Door, call
from holdfast.runtime.links import Links


class Office:
    """Takes commands behind a door and answers them when the test says so."""

    def __init__(self) -> None:
        self.links = Links(FileKeys(bytes(32), bytes(range(32))))
        self.commands: list[Command] = []
        self.door = Door(self.links, self.offer, lambda: {"ok": True, "log": "A"})

    def offer(self, event: Event) -> None:
        assert isinstance(event, Command)
        self.commands.append(event)

    def answer(self, command: Command, **value: object) -> None:
        prepared = self.links.prepare(Outcome(command.caller, value))
        assert prepared is not None
        self.links.deliver([prepared])

    async def next(self, count: int = 1) -> Command:
        async with asyncio.timeout(2):
            while len(self.commands) < count:  # noqa: ASYNC110 - a process would be on the other side
                await asyncio.sleep(0.01)
        return self.commands[count - 1]


@contextlib.asynccontextmanager
async def office(folder: Path) -> AsyncIterator[tuple[Office, Path]]:
    found = Office()
    path = folder / "party.door"
    await found.door.open(path)
    try:
        yield found, path
    finally:
        found.door.close()


async def test_a_command_is_answered_when_the_party_says_so(tmp_path: Path) -> None:
    async with office(tmp_path) as (found, path):
        asking = asyncio.create_task(call(path, "import", {"merchants": [1]}, "admin"))
        command = await found.next()
        assert (command.name, command.arguments, command.actor) == ("import", {"merchants": [1]}, "admin")
        await asyncio.sleep(0.05)
        assert not asking.done()
        found.answer(command, ok=True, entry="A-000001")
        assert await asking == {"ok": True, "entry": "A-000001"}


async def test_the_process_answers_for_itself(tmp_path: Path) -> None:
    async with office(tmp_path) as (_, path):
        assert await call(path, "status") == {"ok": True, "log": "A"}


async def test_a_request_with_a_known_key_is_not_done_again(tmp_path: Path) -> None:
    async with office(tmp_path) as (found, path):
        asking = [asyncio.create_task(call(path, "import", key="K1")) for _ in range(2)]
        command = await found.next()
        await asyncio.sleep(0.05)
        found.answer(command, ok=True, entry="A-000001")
        assert await asyncio.gather(*asking) == [{"ok": True, "entry": "A-000001"}] * 2
        assert await call(path, "import", key="K1") == {"ok": True, "entry": "A-000001"}
        assert len(found.commands) == 1


async def test_silence_is_unknown_and_never_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "ANSWER_TIMEOUT_S", 0.1)
    async with office(tmp_path) as (_, path):
        assert (await call(path, "import"))["unknown"] is True
        assert (await call(path, "import", timeout_s=0.05))["unknown"] is True


async def test_what_is_no_request_is_told_so_and_the_next_one_is_heard(tmp_path: Path) -> None:
    async with office(tmp_path) as (_, path):
        reader, writer = await asyncio.open_unix_connection(path)
        for line in (b"{", b"[1]", b"{}", b'"text"'):
            writer.write(line + b"\n")
            assert orjson.loads(await reader.readline())["ok"] is False
        writer.write(b'{"command": "status"}\n')
        assert orjson.loads(await reader.readline())["ok"] is True
        writer.close()


async def test_a_caller_who_goes_away_harms_nobody(tmp_path: Path) -> None:
    async with office(tmp_path) as (found, path):
        gone = asyncio.create_task(call(path, "import"))
        command = await found.next()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        found.answer(command, ok=True)
        assert await call(path, "status")


async def test_nobody_behind_the_door(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="holdfast up"):
        await call(tmp_path / "party.door", "status")
    async with office(tmp_path) as (_, path):
        assert stat.S_ISSOCK(path.stat().st_mode)
    with pytest.raises(Unreachable):
        await call(path, "status")
    async with office(tmp_path) as (_, path):
        assert await call(path, "status")


async def test_a_command_that_is_too_long_is_refused_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "LINE_BYTES_MAX", 1000)
    async with office(tmp_path) as (_, path):
        with pytest.raises(BadInput, match="split"):
            await call(path, "import", {"rows": "x" * 1000})


async def test_a_process_that_was_stopped_is_not_waited_for_with_what_it_has_not_read(tmp_path: Path) -> None:
    path = tmp_path / "party.door"
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(path))
        stopped.listen()
        async with asyncio.timeout(10):
            answer = await call(path, "import", {"rows": "x" * 5_000_000}, timeout_s=0.2)
    assert (answer["ok"], answer["unknown"]) == (False, True)
