"""What the supervisor makes of processes that come and go while it asks them."""

import asyncio
from pathlib import Path

from holdfast.runtime.supervise import _status_at


def test_a_process_that_dies_over_the_question_has_no_status(tmp_path: Path) -> None:
    async def asked() -> object:
        server = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "door")
        async with server:
            return await _status_at(tmp_path / "door")

    assert asyncio.run(asked()) is None


def test_nobody_behind_a_door_has_no_status(tmp_path: Path) -> None:
    assert asyncio.run(_status_at(tmp_path / "door")) is None
