"""`holdfast terminal`: a POS terminal on the command line. Thin: it parses, asks the terminal, prints."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from holdfast.clock import SECOND_US, rfc3339
from holdfast.domain.records import DEVICES, SALES
from holdfast.edges import sample
from holdfast.edges.output import print_json, print_table
from holdfast.edges.slip import Language, slip
from holdfast.errors import BadInput, Unreachable
from holdfast.ids import parse_trace_key
from holdfast.keys.interface import TMK
from holdfast.money import format_amount, parse_amount
from holdfast.parties.cashier import KINDS, wanted_of
from holdfast.parties.settings import TerminalSettings
from holdfast.register.canonical import decode_strict
from holdfast.runtime.config import Address, notice_of, parse_address
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.pos import SILENT, Pos, file_of
from holdfast.store.sqlite import SqliteReader

DEFAULT_FOLDER = Path("~/.holdfast-terminal")
EXIT_CODES = {"approved": 0, "declined": 1, "unknown": 3, "stored": 3, "reversed": 1, "asked": 3}
PATIENCE_S_MAX = 300
SAY_AFTER_S = 5.0
"""After so long a person who waits is told for what."""

REVERSAL_WAIT_S = 3.0
"""How long a command waits, after an unknown outcome, to see the reversal acknowledged."""


class Counter:
    """What the options of every action say."""

    terminal_id: str
    folder: Path
    host: str | None
    operator: str
    supervisor: str | None
    language: Language
    patience_s: float
    json: bool
    repeat: str | None


app = typer.Typer(
    help="A POS terminal: journal first, then send; unknown is never shown as approved or declined.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def terminal(
    context: typer.Context,
    terminal_id: Annotated[str, typer.Option("--id", help="Terminal id (DE41), 8 characters, like T0000001.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the terminal's journal.")] = DEFAULT_FOLDER,
    host: Annotated[
        str | None, typer.Option("--host", help="The acquirer, like 127.0.0.1:9000; that of ~/.holdfast if not given.")
    ] = None,
    operator: Annotated[str, typer.Option("--operator", help="Operator number, two digits.")] = "01",
    supervisor: Annotated[
        str | None, typer.Option("--supervisor", help="Supervisor who agrees (voids): two digits.")
    ] = None,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the slip: zh or en.")] = "zh",
    patience: Annotated[float, typer.Option("--patience", help="Seconds to wait for an answer.")] = 30.0,
    repeat: Annotated[
        str | None, typer.Option("--repeat", help="Send the request with this trace key again on the wire.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Options of every action. Secrets stay in the terminal's folder, card numbers encrypted."""
    if len(terminal_id) != 8 or not (terminal_id.isascii() and terminal_id.isalnum()):
        raise BadInput(f"terminal id {terminal_id!r} is not 8 letters and digits, like T0000001")
    for who, what in ((operator, "--operator"), (supervisor or "00", "--supervisor")):
        if not (len(who) == 2 and who.isascii() and who.isdecimal()):
            raise BadInput(f"{what} {who!r} is not two digits, like 01")
    if not 1 <= patience <= PATIENCE_S_MAX:
        raise BadInput(f"--patience {patience} is not 1 to {PATIENCE_S_MAX} seconds")
    counter = Counter()
    counter.terminal_id, counter.folder, counter.host = terminal_id, data.expanduser(), host
    counter.operator, counter.supervisor, counter.language = operator, supervisor, lang
    counter.patience_s, counter.json, counter.repeat = patience, json, repeat
    context.obj = counter
    if context.invoked_subcommand is None:
        if repeat is None:
            raise BadInput("no action: try `holdfast terminal --help`")
        send_again(counter, repeat)
    if repeat is not None and context.invoked_subcommand not in KINDS:
        raise BadInput(f"--repeat goes with no action, or {', '.join(KINDS)}; not with {context.invoked_subcommand}")


# --- with the acquirer --------------------------------------------------------------------------------------------


def at_work(counter: Counter, work: Callable[[Pos], Awaitable[Mapping[str, Any]]], ready: bool = True) -> NoReturn:
    """Open the terminal, connect, have it ready, do the work, print the outcome, end with its exit code."""
    value = asyncio.run(_at_work(counter, work, ready))
    if counter.json:
        print_json(value)
    else:
        sys.stdout.write(told(value))
    raise typer.Exit(EXIT_CODES.get(str(value["outcome"]), 1))


async def _at_work(
    counter: Counter, work: Callable[[Pos], Awaitable[Mapping[str, Any]]], ready: bool
) -> Mapping[str, Any]:
    folder = DataFolder(counter.folder)
    settings = TerminalSettings(counter.terminal_id, int(counter.patience_s * SECOND_US))
    pos = await Pos.open(folder.path, settings, note)
    says = f"waiting for the acquirer: {counter.patience_s:.0f} s at the most for an answer"
    waiting = asyncio.get_running_loop().call_later(SAY_AFTER_S, note, says) if ready else None
    try:
        if await pos.device() is None:
            await load_sample(pos)
        await pos.connect(address_of(counter))
        no = await pos.ready(counter.operator, counter.patience_s + 5) if ready else None
        if no is not None and no.outcome == SILENT:
            raise Unreachable(f"the acquirer at {address_of(counter)} does not answer ({no.says}): nothing was asked")
        if no is not None:
            return {"outcome": no.outcome, "response_code": no.response_code, "reason": f"{no.says}: nothing was asked"}
        return await with_receipt(pos, await work(pos), counter.language)
    finally:
        if waiting is not None:
            waiting.cancel()
        await pos.close()


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


async def load_sample(pos: Pos) -> None:
    """A terminal of the sample gets its published test key; any other must be loaded."""
    found = sample.terminal(pos.settings.terminal_id)
    if found is None:
        raise BadInput(
            f"terminal {pos.settings.terminal_id} was never loaded: `holdfast terminal --id "
            f"{pos.settings.terminal_id} --data DIR load-key --tmk HEX --merchant ID --merchant-name NAME`"
        )
    await pos.tell("load", {**found, "tmk": pos.keys.import_key(TMK, bytes.fromhex(found["tmk"]))}, "system")


async def with_receipt(pos: Pos, value: Mapping[str, Any], language: Language) -> Mapping[str, Any]:
    """The outcome with its slip; after an unknown one, with what became of the reversal meanwhile."""
    told_key = value.get("trace_key")
    if value["outcome"] == "unknown" and told_key:
        open_still = await pos.ready("01", REVERSAL_WAIT_S)
        value = {**value, "reversal": "waiting" if open_still else "acknowledged"}
    sale = await pos.reader.row(SALES, told_key) if told_key else None
    device = await pos.device()
    if sale is None or device is None or sale.amount_minor == 0:
        return value
    return {**value, "receipt": slip(sale, device, language)}


def told(value: Mapping[str, Any]) -> str:
    """An outcome for a person: the slip, or one line."""
    if value.get("receipt"):
        text = str(value["receipt"]).rstrip("\n") + "\n"
    else:
        own = value.get("kind") in ("load", "sync") and value["outcome"] == "approved"
        outcome = "done" if own else f"{value['outcome']} {value.get('response_code') or ''}"
        text = f"{value.get('kind') or 'terminal'}: {outcome}".rstrip() + "\n"
    if value.get("reason"):
        text += f"{value['reason']}\n"
    if value["outcome"] == "declined" and value.get("register_entry"):
        text += f"more about it: holdfast register show {value['register_entry']}\n"
    if value.get("reversal"):
        text += f"not known to be approved: the reversal is {value['reversal']}\n"
    if value.get("trace_key"):
        text += f"trace key {value['trace_key']}\n"
    return text


def send_again(counter: Counter, trace_key: str) -> NoReturn:
    """--repeat."""
    key = str(parse_trace_key(trace_key))
    at_work(counter, lambda pos: pos.ask("repeat", {"trace_key": key}, counter.operator))


Amount = Annotated[str, typer.Option("--amount", help="Like 500.00.")]
Card = Annotated[str, typer.Option("--card", help="A sample card's name, a test card number, or track2:…")]
Code = Annotated[str, typer.Option("--original", help="Authorization code of the pre-authorization.")]
Date = Annotated[str | None, typer.Option("--date", help="Date of the pre-authorization, MMDD.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The request's trace key, like T0000001/000001/000123/0100.")]
Expiry = Annotated[str | None, typer.Option("--expiry", help="Expiry of a keyed card, YYMM.")]


def business(counter: Counter, name: str, arguments: dict[str, Any]) -> NoReturn:
    """One of the cashier's requests; BadInput when the terminal itself would turn it down."""
    arguments = {key: value for key, value in arguments.items() if value is not None}
    wanted_of(KINDS[name], arguments)
    at_work(counter, lambda pos: pos.ask(name, arguments, counter.operator))


def card_of(text: str, expiry: str | None) -> dict[str, str]:
    """What --card means: `track2:…`, a sample card's name, or a number."""
    if text.startswith("track2:"):
        return {"track2": text.removeprefix("track2:")}
    if text.isascii() and text.isdecimal():
        known = sample.card_by_pan(text)
        return {"pan": text, "expiry": expiry or (known["expiry"] if known else "")}
    named = sample.card(text)
    if named is None:
        raise BadInput(f"card {text!r} is not a sample card (`holdfast sample` lists them), a number, or track2:…")
    return {"pan": named["pan"], "expiry": expiry or named["expiry"]}


@app.command("pre-auth")
def pre_auth(context: typer.Context, amount: Amount = "", card: Card = "", expiry: Expiry = None) -> None:
    """Place a hold. 预授权"""
    counter: Counter = context.obj
    if counter.repeat is not None:
        send_again(counter, counter.repeat)
    required(amount=amount, card=card)
    business(counter, "pre-auth", {"amount_minor": parse_amount(amount), "card": card_of(card, expiry)})


@app.command("complete")
def complete(
    context: typer.Context,
    original: Code = "",
    amount: Amount = "",
    card: Card = "",
    date: Date = None,
    expiry: Expiry = None,
) -> None:
    """Claim the final amount of a hold; the rest is released. 预授权完成"""
    counter: Counter = context.obj
    if counter.repeat is not None:
        send_again(counter, counter.repeat)
    required(original=original, amount=amount, card=card)
    facts = {"authorization_code": original, "date": date, "card": card_of(card, expiry)}
    business(counter, "complete", {"amount_minor": parse_amount(amount), **facts})


@app.command("void")
def void(
    context: typer.Context,
    original: Code = "",
    card: Card = "",
    amount: Amount = "",
    date: Date = None,
    expiry: Expiry = None,
) -> None:
    """Give a hold back in full; a supervisor must agree. 预授权撤销"""
    counter: Counter = context.obj
    if counter.repeat is not None:
        send_again(counter, counter.repeat)
    required(original=original, card=card)
    if counter.supervisor is None:
        raise BadInput("a void needs a supervisor: add --supervisor 00")
    facts = {"authorization_code": original, "date": date, "card": card_of(card, expiry)}
    amount_minor = parse_amount(amount) if amount else None
    business(counter, "void", {"amount_minor": amount_minor, "supervisor": counter.supervisor, **facts})


def required(**options: str) -> None:
    """Options without which an action cannot be; with --repeat they are not needed."""
    missing = [f"--{name}" for name, value in options.items() if not value]
    if missing:
        raise BadInput(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")


@app.command("sign-on")
def sign_on(context: typer.Context) -> None:
    """Fetch working keys and batch. 签到"""
    counter: Counter = context.obj
    at_work(counter, lambda pos: pos.tell("sign-on", {}, counter.operator), ready=False)


@app.command("echo")
def echo(context: typer.Context) -> None:
    """Is the line alive? 回响测试"""
    counter: Counter = context.obj
    at_work(counter, lambda pos: pos.tell("echo", {}, counter.operator), ready=False)


@app.command("sync")
def sync(context: typer.Context) -> None:
    """Deliver what waits: stored reversals, a request left in flight. 上送"""
    counter: Counter = context.obj

    async def nothing_more(pos: Pos) -> Mapping[str, Any]:
        return {"outcome": "approved", "response_code": "", "kind": "sync", "reason": "nothing waits"}

    at_work(counter, nothing_more)


@app.command("run")
def run(context: typer.Context) -> None:
    """Stay and keep syncing until Ctrl-C."""
    counter: Counter = context.obj

    async def stay(pos: Pos) -> Mapping[str, Any]:
        note(f"{counter.terminal_id} is in sync as long as this runs; Ctrl-C ends it")
        await pos.stay(counter.operator)
        return {"outcome": "approved", "kind": "run"}

    with contextlib.suppress(KeyboardInterrupt):
        at_work(counter, stay, ready=False)


@app.command("load-key")
def load_key(
    context: typer.Context,
    tmk: Annotated[str, typer.Option("--tmk", help="Terminal master key, 16 bytes in hex.")],
    merchant: Annotated[str, typer.Option("--merchant", help="Merchant id (DE42), 15 characters.")],
    merchant_name: Annotated[str, typer.Option("--merchant-name", help="As the slip shows it.")],
    merchant_name_en: Annotated[str, typer.Option("--merchant-name-en", help="As the English slip does.")] = "",
    register_key: Annotated[str, typer.Option("--register-key", help="The register's public key, hex.")] = "",
) -> None:
    """Tell the terminal who it is. 装载密钥"""
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

    async def load() -> Mapping[str, Any]:
        settings = TerminalSettings(counter.terminal_id)
        pos = await Pos.open(DataFolder(counter.folder).path, settings, note)
        try:
            names = {"merchant_name": merchant_name, "merchant_name_en": merchant_name_en}
            given = {"merchant_id": merchant, **names, "register_key": register_key}
            return await pos.tell("load", {**given, "tmk": pos.keys.import_key(TMK, clear)}, counter.operator)
        finally:
            await pos.close()

    value = asyncio.run(load())
    print_json(value) if counter.json else sys.stdout.write(told(value))
    raise typer.Exit(EXIT_CODES[str(value["outcome"])])


# --- without the acquirer -----------------------------------------------------------------------------------------


def reading(counter: Counter) -> SqliteReader:
    """The terminal's file, read-only."""
    path = file_of(counter.folder, counter.terminal_id)
    if not path.exists():
        raise Unreachable(f"terminal {counter.terminal_id} has no journal in {counter.folder}")
    return SqliteReader(path)


@app.command("query")
def query(context: typer.Context, key: Key) -> None:
    """What this terminal believes of a request. 查询"""
    counter: Counter = context.obj
    sale = asyncio.run(reading(counter).row(SALES, str(parse_trace_key(key))))
    if sale is None:
        raise BadInput(f"no request of terminal {counter.terminal_id} is {key}")
    value = {name: field for name, field in sale._asdict().items() if name not in ("pan_sealed", "previous")}
    if counter.json:
        print_json({**value, "amount": sale.amount_minor})
    else:
        print_table(key, ("what", "is"), [_in_words(*each) for each in value.items() if each[1] not in (None, "")])
    raise typer.Exit(EXIT_CODES.get(sale.outcome, 1))


def _in_words(name: str, field: Any) -> tuple[str, object]:
    """A field of a sale as a person reads it: times and money not in their smallest units."""
    if name.endswith("_us"):
        return name.removesuffix("_us"), rfc3339(field)
    if name == "amount_minor":
        return "amount", format_amount(field)
    return name.replace("_", " "), field


@app.command("receipt")
def receipt(context: typer.Context, key: Key) -> None:
    """Print a slip again. 重打印"""
    counter: Counter = context.obj
    reader = reading(counter)
    sale = asyncio.run(reader.row(SALES, str(parse_trace_key(key))))
    device = asyncio.run(reader.row(DEVICES, counter.terminal_id))
    if sale is None or device is None:
        raise BadInput(f"no request of terminal {counter.terminal_id} is {key}")
    text = slip(sale, device, counter.language, reprint=True)
    print_json({"trace_key": key, "receipt": text}) if counter.json else sys.stdout.write(text)


@app.command("journal")
def journal(context: typer.Context) -> None:
    """The terminal's journal, oldest first. 终端流水"""
    counter: Counter = context.obj

    async def all_entries() -> list[dict[str, Any]]:
        reader = reading(counter)
        heads = await reader.logs()
        entries = [await reader.entries(head.log, 1, head.frontier.size) for head in heads]
        return [decode_strict(entry.body) for log in entries for entry in log]

    entries = asyncio.run(all_entries())
    if counter.json:
        for entry in entries:
            print_json(entry)
        return
    columns = ("number", "kind", "phase", "outcome", "amount", "trace_key", "register_entry")
    rows = [[format_amount(e[c]) if c == "amount" and c in e else e.get(c) for c in columns] for e in entries]
    print_table(f"journal of {counter.terminal_id}", (*columns[:-2], "trace key", "entry"), rows)
