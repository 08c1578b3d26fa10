"""What stands in a terminal's file."""

from typing import Any

from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.register.canonical import decode_strict
from holdfast.runtime.pos import file_of
from holdfast.store.sqlite import SqliteReader
from tests.system.installation import Installation


async def journal_of(installation: Installation, terminal_id: str) -> tuple[Device, list[Sale], list[dict[str, Any]]]:
    """A terminal's row, its requests, and the entries of its journal."""
    reader = SqliteReader(file_of(installation.tills, terminal_id))
    try:
        [head] = await reader.logs()
        entries = await reader.entries(head.log, 1, head.frontier.size)
        device: Device | None = await reader.row(DEVICES, terminal_id)
        assert device is not None
        return device, await reader.select(SALES, {}), [decode_strict(entry.body) for entry in entries]
    finally:
        await reader.close()
