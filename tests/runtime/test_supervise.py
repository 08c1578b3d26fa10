"""What the supervisor makes of processes that come and go while it asks them, and of those that cannot even start."""

import asyncio
import os
from pathlib import Path

from holdfast.runtime.config import NodeConfig
from holdfast.runtime.supervise import Child, _status_at


def test_a_process_that_dies_over_the_question_has_no_status(tmp_path: Path) -> None:
    async def asked() -> object:
        server = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "door")
        async with server:
            return await _status_at(tmp_path / "door")

    assert asyncio.run(asked()) is None


def test_nobody_behind_a_door_has_no_status(tmp_path: Path) -> None:
    assert asyncio.run(_status_at(tmp_path / "door")) is None


def a_node(folder: Path) -> NodeConfig:
    """An issuer whose keys are missing, so that it ends as soon as it has begun."""
    keys, door, log, notice = (str(folder / name) for name in ("keys", "door", "logs/issuer.log", "issuer.json"))
    return NodeConfig("issuer", "issuer", os.getpid(), "postgresql:///x", keys, "x", door, log, -1, notice, str(folder))


async def heard(told: list[str], word: str) -> None:
    """Until a line has that word."""
    async with asyncio.timeout(20):
        while not any(word in line for line in told):  # noqa: ASYNC110 - the lines come from a task
            await asyncio.sleep(0.02)


async def test_a_process_that_cannot_be_started_is_tried_again_until_it_can(tmp_path: Path) -> None:
    told: list[str] = []
    child = Child(a_node(tmp_path), lambda event, **facts: None, told.append)
    child.start()
    await heard(told, "cannot be started")
    assert told[0].startswith("issuer cannot be started (No such file or directory); starting it again")
    (tmp_path / "logs").mkdir()
    await heard(told, "ended (exit code 4)")
    await child.stop()
    assert child._process is not None
    assert child._process.returncode is not None


async def test_whoever_is_stopped_while_it_is_being_started_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for pause_s in (0.0, 0.002, 0.01, 0.05):
        child = Child(a_node(tmp_path), lambda event, **facts: None, lambda line: None)
        child.start()
        await asyncio.sleep(pause_s)
        await child.stop()
    assert not [pid for pid in _children() if b"holdfast.runtime.node" in _command(pid)]


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
