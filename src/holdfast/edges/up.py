"""`holdfast up`: serves, until Ctrl-C or SIGTERM has it drain."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import Annotated

import typer
import uvloop

from holdfast.edges.doors import load_sample
from holdfast.edges.output import print_json
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, data_path
from holdfast.errors import BadInput
from holdfast.runtime.config import Address, notice_of, parse_address
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.listeners import bind_listeners
from holdfast.runtime.logs import open_log
from holdfast.runtime.notify import READY, STOPPING, notify
from holdfast.runtime.preparing import outlasting, recall_clock
from holdfast.runtime.supervise import Plan, Supervisor

DEFAULT_POS = Address("127.0.0.1", 9000)
DEFAULT_HTTP = Address("127.0.0.1", 8080)
NO_HTTP = "none"
WORKERS_MAX = 16


def up(
    data: DataOption = None,
    db: DbOption = "",
    pos: Annotated[
        str, typer.Option(help="Where terminals connect, like 0.0.0.0:9000; port 0 is any free one.", metavar="H:P")
    ] = "",
    http: Annotated[
        str,
        typer.Option(help="Where /metrics and /healthz are, like 127.0.0.1:8080, or none: nowhere.", metavar="H:P"),
    ] = "",
    workers: Annotated[int, typer.Option(help="Processes that serve terminals.", min=1, max=WORKERS_MAX)] = 1,
    sample: Annotated[bool, typer.Option("--sample", help="Load the sample installation (once).")] = False,
    keys: KeysOption = None,
    json: JsonOption = False,
) -> None:
    """Serve terminals: PostgreSQL, issuer and acquirer, until Ctrl-C or SIGTERM."""
    folder = DataFolder(data_path(data))
    if data is None:
        tell(f"data folder is {folder.path}")
    address = parse_address(pos, any_port=True) if pos else DEFAULT_POS
    if address.port is None:
        raise BadInput("terminals connect over TCP: --pos is a host and a port, like 127.0.0.1:9000")
    pages_at = address_of_pages(http)
    with folder.lock("up"):
        listeners = bind_listeners(address, workers, may_move=not pos)
        bound = listeners[0].getsockname()[1]
        if address.port not in (0, bound):
            tell(f"port {address.port} is in use: terminals connect to port {bound}")
        pages = bind_pages(pages_at, may_move=not http) if pages_at else None
        plan = Plan(folder, folder.keys if keys is None else keys, db, workers)
        supervisor = Supervisor(plan, listeners, open_log(folder.logs / "up.log", "up"), tell, pages)
        uvloop.run(serve(supervisor, folder, sample, json, pages_at))


def address_of_pages(http: str) -> Address | None:
    """What --http says: where the pages are, None for nowhere; BadInput when it is no address."""
    if http == NO_HTTP:
        return None
    address = parse_address(http, any_port=True) if http else DEFAULT_HTTP
    if address.port is None:
        raise BadInput("pages are read over TCP: --http is a host and a port, like 127.0.0.1:8080, or `none`")
    return address


def bind_pages(address: Address, may_move: bool) -> socket.socket:
    """The socket of the pages; Unreachable when its port cannot be had."""
    (listener,) = bind_listeners(address, 1, may_move, "--http")
    return listener


async def serve(supervisor: Supervisor, folder: DataFolder, sample: bool, json: bool, pages_at: Address | None) -> None:
    """Start, say when a terminal can be served, and stay until told to stop."""
    async with told_to_stop() as stop:
        try:
            starting = asyncio.create_task(start(supervisor, folder, sample))
            await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                say_ready(folder, json, pages_at)
                notify(READY)
                await stop
            else:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            tell("draining")
            notify(STOPPING)
        finally:
            await supervisor.stop()


async def start(supervisor: Supervisor, folder: DataFolder, sample: bool) -> None:
    """Everything, up to where a terminal can be served."""
    dsns = await supervisor.start()
    if sample:
        await supervisor.wait_for_doors()
        if await outlasting(lambda: load_sample(folder, dsns), tell):
            tell("sample merchants, terminals and cards are loaded: see `holdfast sample`")
        await outlasting(lambda: recall_clock(folder, dsns), tell)
    await supervisor.ready()


def say_ready(folder: DataFolder, json: bool, pages_at: Address | None) -> None:
    """The line that others wait for; before it, where the pages are if not where they were meant to be."""
    notice = notice_of(folder)
    if pages_at is not None and pages_at.port not in (0, parse_address(notice.http).port):
        tell(f"port {pages_at.port} is in use: the pages are at {notice.http}")
    if json:
        where = {"pos": notice.pos, "http": notice.http or None, "data": str(folder.path)}
        print_json({"ready": True, **where, "pid": notice.pid})
    else:
        pages = f"; metrics at http://{notice.http}/metrics" if notice.http else ""
        sys.stdout.write(f"ready: terminals connect to {notice.pos}{pages}; data in {folder.path}; Ctrl-C ends\n")
        sys.stdout.flush()


@contextlib.asynccontextmanager
async def told_to_stop() -> AsyncIterator["asyncio.Future[None]"]:
    """A future that Ctrl-C or SIGTERM resolves."""
    loop = asyncio.get_running_loop()
    stop = loop.create_future()

    def resolve() -> None:
        if not stop.done():
            stop.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, resolve)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def tell(line: str) -> None:
    """One line for the person at the terminal; stdout is for what was asked.

    Where nobody can read it, because the disk behind it is full or the terminal is gone, work goes on all the same.
    """
    with contextlib.suppress(OSError):
        sys.stderr.write(f"holdfast: {line}\n")
        sys.stderr.flush()
