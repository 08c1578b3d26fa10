"""Several logs as one: each in its own order, across logs by time, for their numbers say nothing of each other."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


async def in_order(
    streams: Mapping[str, AsyncIterator[T]], when: Callable[[T], int], ready: Callable[[T], bool] | None = None
) -> AsyncIterator[T]:
    """What the streams yield, the least `when` first among those that are `ready`.

    The caller may act on one before asking for the next, and so make others ready. If none is, the least comes all the
    same.
    """
    waiting: dict[str, T] = {}
    for log, stream in streams.items():
        async for first in stream:
            waiting[log] = first
            break
    while waiting:
        least_first = sorted(waiting, key=lambda log: (when(waiting[log]), log))
        log = least_first[0]
        if ready is not None and len(waiting) > 1:
            log = next((log for log in least_first if ready(waiting[log])), log)
        yield waiting.pop(log)
        async for following in streams[log]:
            waiting[log] = following
            break
