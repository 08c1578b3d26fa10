"""The door: other processes of the installation command a party through a local socket, and hear when it is durable.

A request is one line of JSON, `{"command": …, "arguments": {…}, "actor": …, "key": …}`, and so is its answer. Whoever
can reach the socket may command: it lies in a folder of mode 0700. A key names a request while the process lives: asked
again, the same request is not done again, and its one answer comes to both.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from holdfast.errors import BadInput, Unreachable
from holdfast.parties.step import Command, Event
from holdfast.runtime.links import Links

LINE_BYTES_MAX = 64 * 1024 * 1024
"""A hot list of some hundred thousand cards in one command."""

ANSWER_TIMEOUT_S = 30.0
REMEMBERED_MAX = 1024
STATUS = "status"

Answer: TypeAlias = Mapping[str, Any]


class Door:
    """One process's command socket. `status` answers for the process itself, everything else goes to the party."""

    def __init__(self, links: Links, offer: Callable[[Event], None], status: Callable[[], Answer]) -> None:
        self._links = links
        self._offer = offer
        self._status = status
        self._answers: OrderedDict[str, asyncio.Future[Answer]] = OrderedDict()
        self._server: asyncio.Server | None = None

    async def open(self, path: Path) -> None:
        """Listen there; a socket that a dead process left is replaced."""
        _make_way(path)
        self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE_BYTES_MAX)

    def close(self) -> None:
        """Take no more requests."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(orjson.dumps(await self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # The caller is gone, or its line has no end; nobody is left to be told.
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = orjson.loads(line)
            name, arguments = str(request["command"]), dict(request.get("arguments", {}))
            actor, key = str(request.get("actor", "operator")), str(request.get("key", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"ok": False, "reason": "a request is a JSON object with a command"}
        if name == STATUS:
            return self._status()
        answer = self._known(key) or self._ask(name, arguments, actor, key)
        try:
            return await asyncio.wait_for(asyncio.shield(answer), ANSWER_TIMEOUT_S)
        except TimeoutError:
            return {"ok": False, "unknown": True, "reason": f"no answer within {ANSWER_TIMEOUT_S:.0f} s"}

    def _known(self, key: str) -> asyncio.Future[Answer] | None:
        return self._answers.get(key) if key else None

    def _ask(self, name: str, arguments: Mapping[str, Any], actor: str, key: str) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def tell(value: Answer) -> None:
            self._links.drop(caller)
            if not answer.done():
                answer.set_result(value)

        caller = self._links.add_caller(tell)
        if key:
            self._answers[key] = answer
            if len(self._answers) > REMEMBERED_MAX:
                self._answers.popitem(last=False)
        self._offer(Command(caller, name, arguments, actor))
        return answer


def _make_way(path: Path) -> None:
    path.unlink(missing_ok=True)


async def call(
    path: Path,
    command: str,
    arguments: Answer | None = None,
    actor: str = "operator",
    key: str = "",
    timeout_s: float = 35.0,
) -> dict[str, Any]:
    """Ask at a door and return the answer: `ok` with what was done, or not `ok` with a `reason`.

    With `unknown` true it may have happened or not; the same command may then be given again. Unreachable when nobody
    stands behind the door.
    """
    line = orjson.dumps({"command": command, "arguments": arguments or {}, "actor": actor, "key": key})
    if len(line) >= LINE_BYTES_MAX:
        raise BadInput(f"{len(line)} bytes are more than one command takes: split the file")
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES_MAX)
    except OSError as error:
        raise Unreachable(f"nobody answers at {path}: is `holdfast up` running?") from error
    try:
        return await asyncio.wait_for(_exchange(reader, writer, line), timeout_s)
    except (OSError, TimeoutError):
        return {"ok": False, "unknown": True, "reason": "the answer was lost"}
    finally:
        # Either all was said, or nobody listens: to wait until a stopped process has read it could take for ever.
        writer.transport.abort()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> dict[str, Any]:
    writer.write(line + b"\n")
    await writer.drain()
    answer = await reader.readline()
    if not answer.endswith(b"\n"):
        raise ConnectionResetError("the answer ended in the middle")
    value: dict[str, Any] = orjson.loads(answer)
    return value
