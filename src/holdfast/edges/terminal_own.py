"""Commands about the terminal itself: sign-on and sign-off, settlement, delivery of what waits, and who it is."""

import asyncio
import contextlib
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from holdfast.edges.counter import Counter, Value, at_work, ended, note
from holdfast.errors import BadInput
from holdfast.keys.interface import TMK
from holdfast.parties.operators import ADMINISTRATOR
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.pos import Pos


def sign_on(context: typer.Context) -> None:
    """Fetch working keys and batch. 签到"""
    counter: Counter = context.obj
    at_work(counter, lambda pos: pos.tell("sign-on", {}, counter.operator), ready=False)


def sign_off(context: typer.Context) -> None:
    """No business before the next sign-on; refused while something is open. 签退"""
    counter: Counter = context.obj
    at_work(counter, lambda pos: pos.tell("sign-off", {}, counter.operator))


def echo(context: typer.Context) -> None:
    """Is the line alive? 回响测试"""
    counter: Counter = context.obj
    at_work(counter, lambda pos: pos.tell("echo", {}, counter.operator), ready=False)


def settle(context: typer.Context) -> None:
    """Settle the batch: totals to the acquirer, an upload where they differ, then the next batch. 批结算"""
    counter: Counter = context.obj
    at_work(counter, lambda pos: pos.settle(counter.operator))


def sync(context: typer.Context) -> None:
    """Deliver what waits: stored reversals, advices, a request left in flight. 上送"""
    counter: Counter = context.obj

    async def deliver(pos: Pos) -> Value:
        await pos.tell_all(counter.patience_s)
        return synced(await pos.waits())

    at_work(counter, deliver)


def synced(waits: Mapping[str, Any]) -> Value:
    """What a sync has left undone, in words."""
    if not waits:
        return {"outcome": "approved", "response_code": "", "kind": "sync", "reason": "nothing waits"}
    says = []
    if waits.get("told"):
        says.append(f"told until they are answered: {', '.join(waits['told'])}")
    if waits.get("settling"):
        says.append(f"settlement under way, settle again: {waits['settling']}")
    says += [f"{name.replace('_', ' ')}: {waits[name]}" for name in ("in_flight", "reversal") if waits.get(name)]
    return {"outcome": "unknown", "response_code": "", "kind": "sync", "reason": "; ".join(says), "waits": dict(waits)}


def run(context: typer.Context) -> None:
    """Stay and keep syncing until Ctrl-C."""
    counter: Counter = context.obj

    async def stay(pos: Pos) -> Value:
        note(f"{counter.terminal_id} is in sync as long as this runs; Ctrl-C ends it")
        await pos.stay(counter.operator)
        return {"outcome": "approved", "kind": "run"}

    with contextlib.suppress(KeyboardInterrupt):
        at_work(counter, stay, ready=False)


def load_key(
    context: typer.Context,
    tmk: Annotated[str, typer.Option("--tmk", help="Terminal master key, 16 bytes in hex.")],
    merchant: Annotated[str, typer.Option("--merchant", help="Merchant id (DE42), 15 characters.")],
    merchant_name: Annotated[str, typer.Option("--merchant-name", help="As the slip shows it.")],
    merchant_name_en: Annotated[str, typer.Option("--merchant-name-en", help="As the English slip does.")] = "",
    register_key: Annotated[str, typer.Option("--register-key", help="The register's public key, hex.")] = "",
) -> None:
    """Tell the terminal who it is; the administrator (99) does. 装载密钥"""
    counter: Counter = context.obj
    try:
        clear = bytes.fromhex(tmk)
    except ValueError:
        raise BadInput("--tmk is not hex digits") from None
    if len(clear) not in (8, 16):
        raise BadInput(f"--tmk has {len(clear)} bytes, not 16")
    if register_key and not re.fullmatch("[0-9a-fA-F]{64}", register_key):
        raise BadInput(f"--register-key {register_key!r} is not 32 bytes in hex")
    if len(merchant) != 15:
        raise BadInput(f"--merchant {merchant!r} is not 15 characters")
    names = {"merchant_name": merchant_name, "merchant_name_en": merchant_name_en}
    given = {"merchant_id": merchant, **names, "register_key": register_key}

    async def load() -> Value:
        settings = TerminalSettings(counter.terminal_id)
        pos = await Pos.open(DataFolder(counter.folder).path, settings, note, load_again=True)
        try:
            operator = counter.named_operator or ADMINISTRATOR
            return await pos.load({**given, "tmk": pos.keys.import_key(TMK, clear)}, operator)
        finally:
            await pos.close()

    ended(counter, asyncio.run(load()))


def add_to(app: typer.Typer) -> None:
    """All of them, in the order of the help."""
    app.command("settle")(settle)
    app.command("sign-on")(sign_on)
    app.command("sign-off")(sign_off)
    app.command("echo")(echo)
    app.command("sync")(sync)
    app.command("run")(run)
    app.command("load-key")(load_key)
