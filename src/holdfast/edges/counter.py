"""A terminal as a command has it before it: its options, its party at work, and what a person reads of an outcome."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import typer

from holdfast.clock import DAY_US, SECOND_US, to_us, zone
from holdfast.domain.commands import BALANCE, SETTLEMENT
from holdfast.domain.records import SALES, Sale
from holdfast.edges import sample
from holdfast.edges.batch_slips import failed_advices, settlement_slip
from holdfast.edges.output import print_json
from holdfast.edges.slip import Language, slip, with_held
from holdfast.errors import BadInput, Unreachable
from holdfast.keys.interface import TMK
from holdfast.money import format_amount
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime.business_clock import follow
from holdfast.runtime.clock_file import CLOCK_FILE, is_installation
from holdfast.runtime.config import Address, notice_of, parse_address
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.nearby import sandbox_at
from holdfast.runtime.pos import SILENT, SYSTEM, NotReady, Pos
from holdfast.wire.settlement import parse_totals

EXIT_CODES = {"approved": 0, "stored": 0, "declined": 1, "reversed": 1, "unknown": 3, "asked": 3}
NOT_BALANCED = 1
"""A batch that does not balance is closed all the same; somebody must look at it."""

SAY_AFTER_S = 5.0
"""After so long a person who waits is told for what."""

REVERSAL_WAIT_S = 3.0
"""How long a command waits, after an unknown outcome, to see the reversal acknowledged."""

DEFAULT_OPERATOR = "01"

Value = Mapping[str, Any]
Work = Callable[[Pos], Awaitable[Value]]


class Counter:
    """What the options of every action say."""

    terminal_id: str
    folder: Path
    host: str | None
    named_operator: str | None
    supervisor: str | None
    language: Language
    patience_s: float
    json: bool
    repeat: str | None
    checked: bool = False
    """Whether the journal was found whole by what this command has looked at so far."""

    @property
    def operator(self) -> str:
        """Who stands at the terminal, where nobody else is named."""
        return self.named_operator or DEFAULT_OPERATOR


def at_work(counter: Counter, work: Work, ready: bool = True, offline: bool = False) -> NoReturn:
    """Open the terminal, connect, have it ready, do the work, print the outcome, end with its exit code.

    `offline` work is done all the same where the acquirer cannot be reached, or something is open.
    """
    ended(counter, asyncio.run(_at_work(counter, work, ready, offline)))


def ended(counter: Counter, value: Value) -> NoReturn:
    """Print an outcome, and end with its exit code; what was entered wrongly is bad input like any other."""
    if value.get("mistake"):
        raise BadInput(str(value["reason"]))
    if counter.json:
        print_json(value)
    else:
        sys.stdout.write(told(value))
    code = EXIT_CODES.get(str(value["outcome"]), 1)
    raise typer.Exit(NOT_BALANCED if value.get("balanced") is False else code)


async def _at_work(counter: Counter, work: Work, ready: bool, offline: bool) -> Value:
    settings = TerminalSettings(counter.terminal_id, int(counter.patience_s * SECOND_US))
    pos = await Pos.open(folder_of(counter), settings, note, load_again=is_sample(counter.terminal_id))
    says = f"waiting for the acquirer: {counter.patience_s:.0f} s at the most for an answer"
    waiting = asyncio.get_running_loop().call_later(SAY_AFTER_S, note, says) if ready else None
    try:
        await load_if_needed(pos)
        no = await why_not_ready(pos, counter, ready, offline)
        if no is not None and not offline:
            return {"outcome": no.outcome, "response_code": no.response_code, "reason": f"{no.says}: nothing was asked"}
        return await with_receipt(pos, await work(pos), counter.language)
    except asyncio.CancelledError:
        await say_what_is_left(pos)
        raise
    finally:
        if waiting is not None:
            waiting.cancel()
        await pos.close()


async def why_not_ready(pos: Pos, counter: Counter, ready: bool, offline: bool) -> NotReady | None:
    """Connect, sign on and deliver where that is wanted; why nothing can be asked, Unreachable when nobody answers."""
    try:
        await pos.connect(address_of(counter))
        no = await pos.ready(counter.operator, counter.patience_s + 5) if ready else None
        if no is not None and no.outcome == SILENT:
            raise Unreachable(f"the acquirer at {address_of(counter)} does not answer ({no.says}): nothing was asked")
    except Unreachable as error:
        if not offline:
            raise
        return NotReady(SILENT, str(error))
    return no


async def say_what_is_left(pos: Pos) -> None:
    """Whoever interrupts a command is told what will happen to what it has begun."""
    waits = await pos.waits()
    if waits.get("in_flight"):
        note(f"interrupted: the outcome of {waits['in_flight']} is unknown; the next command or `sync` finds it out")
    if waits.get("reversal"):
        note(f"interrupted: {waits['reversal']} is not acknowledged; the next command or `sync` delivers it")


def note(event: str, **facts: object) -> None:
    """A line for whoever looks on; the link's comings and goings are not worth one here."""
    if not event.startswith(("host", "link to host")):
        sys.stderr.write(f"holdfast terminal: {event}\n")


def address_of(counter: Counter) -> Address:
    """--host, else where the default installation says that it listens."""
    if counter.host is not None:
        return parse_address(counter.host)
    try:
        return parse_address(notice_of(DataFolder(Path("~/.holdfast").expanduser(), create=False)).pos)
    except Unreachable:
        raise Unreachable("no acquirer named and none runs in ~/.holdfast: give --host H:P") from None


def is_sample(terminal_id: str) -> bool:
    """Whether its master key is published, so that it may be loaded again without anybody."""
    return sample.terminal(terminal_id) is not None


def folder_of(counter: Counter) -> Path:
    """The terminal's folder, made where it is missing. A sample terminal follows the clock of the sandbox that it is
    used with, from its first use on, where that sandbox runs on this machine.
    """
    folder = DataFolder(counter.folder).path
    has_clock = (folder / CLOCK_FILE).exists() or is_installation(folder)
    if is_sample(counter.terminal_id) and not has_clock:
        with contextlib.suppress(Unreachable):
            sandbox = sandbox_at(address_of(counter))
            if sandbox is not None:
                follow(folder, sandbox)
    return folder


async def load_if_needed(pos: Pos) -> None:
    """A terminal that was never loaded, or whose journal was lost with its master key, is loaded if it can be."""
    device = await pos.device()
    if device is None or not device.tmk:
        await load_sample(pos)


async def load_sample(pos: Pos) -> None:
    """A terminal of the sample gets its published test key; any other must be loaded."""
    found = sample.terminal(pos.settings.terminal_id)
    if found is None:
        raise BadInput(
            f"terminal {pos.settings.terminal_id} is not loaded: `holdfast terminal --id "
            f"{pos.settings.terminal_id} --data DIR load-key --tmk HEX --merchant ID --merchant-name NAME`"
        )
    await pos.load({**found, "tmk": pos.keys.import_key(TMK, bytes.fromhex(found["tmk"]))}, SYSTEM)


# --- what is printed ----------------------------------------------------------------------------------------------


async def with_receipt(pos: Pos, value: Value, language: Language) -> Value:
    """The outcome with its slip; after an unknown one, with what became of the reversal meanwhile."""
    told_key = value.get("trace_key")
    if (
        value["outcome"] == "unknown"
        and told_key
        and value["kind"] != SETTLEMENT
        and (await pos.waits()).get("reversal")
    ):
        open_still = await pos.ready(SYSTEM, REVERSAL_WAIT_S)
        value = {**value, "reversal": "waiting" if open_still else "acknowledged"}
    sale = await pos.sale(told_key) if told_key else None
    device = await pos.device()
    if sale is None or device is None:
        return value
    for says in differing_clock(sale, pos.now_us()):
        note(says)
    if sale.kind == SETTLEMENT:
        return {**value, "receipt": await batch_slip(pos, value, language)} if "balanced" in value else value
    if not sale.batch:
        return value
    shown = with_held(sale, await pos.reader.select(SALES, {"hold": sale.hold}) if sale.hold else ())
    if sale.kind == BALANCE.name:
        shown = {**shown, "balance_minor": value.get("balance")}
    return {**value, "receipt": slip(shown, device, language)}


def differing_clock(sale: Sale, now_us: int) -> list[str]:
    """A sentence where the acquirer dates its answer more than a day before it was asked, or after now."""
    if not sale.response_code:
        return []
    told = f"{sale.local_date} {sale.local_time}"
    told_us = to_us(datetime.fromisoformat(told).replace(tzinfo=zone()))
    behind_us, ahead_us = told_us - now_us, sale.at_us - told_us
    if max(behind_us, ahead_us) <= DAY_US:
        return []
    days = round(max(behind_us, ahead_us) / DAY_US)
    which = "behind" if behind_us > 0 else "ahead of"
    return [
        f"this terminal's clock is {days} day{'s' * (days > 1)} {which} the acquirer's: it says {told[5:]}, without a "
        "year; set the clock, or name this folder to the sandbox: `holdfast clock advance 1s --terminals DIR`"
    ]


async def batch_slip(pos: Pos, value: Value, language: Language, reprint: bool = False) -> str:
    """The slip of a settlement that is over, with the list of what is not in the register, if there is any."""
    sale, device = await pos.sale(str(value["trace_key"])), await pos.device()
    assert sale is not None, "what was settled has a row"
    assert device is not None, "it is a terminal that settled"
    ours, theirs = parse_totals(sale.totals or ""), parse_totals(sale.host_totals or "")
    text = settlement_slip(sale, device, ours, theirs, language, reprint)
    missing = [await pos.sale(each["trace_key"]) for each in (*value["failed"], *value["waiting"])]
    rows = [row for row in missing if row is not None]
    return f"{text}\n{failed_advices(rows, device, language)}" if rows else text


OWN_BUSINESS = frozenset({"load", "sync", "sign-off", "download"})
"""Kinds that are done or not, and never approved."""


def told(value: Value) -> str:
    """An outcome for a person: the slip, or one line."""
    if value.get("receipt"):
        text = str(value["receipt"]).rstrip("\n") + "\n"
    else:
        own = value.get("kind") in OWN_BUSINESS and value["outcome"] == "approved"
        outcome = "done" if own else f"{value['outcome']} {value.get('response_code') or ''}"
        text = f"{value.get('kind') or 'terminal'}: {outcome}".rstrip() + "\n"
    if value.get("balance") is not None:
        text += f"available {format_amount(value['balance'])}\n"
    if value.get("reason"):
        text += f"{value['reason']}\n"
    if value["outcome"] == "declined" and value.get("register_entry"):
        text += f"more about it: holdfast register show {value['register_entry']}\n"
    if value.get("reversal"):
        text += f"not known to be approved: the reversal is {value['reversal']}\n"
    if value["outcome"] == "stored":
        text += "stored, not yet registered 待上送: it is told until it is answered\n"
    if value.get("warning"):
        text += f"{value['warning']}\n"
    if value.get("trace_key"):
        text += f"trace key {value['trace_key']}\n"
    return text
