"""What a terminal shows of itself without the acquirer, also while it is in use: journal, slips, totals, parameters."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from holdfast.clock import rfc3339
from holdfast.domain.commands import SETTLEMENT
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.edges.batch_slips import settlement_slip
from holdfast.edges.counter import EXIT_CODES, Counter, at_work, note
from holdfast.edges.output import SHORT_KINDS, print_json, print_table
from holdfast.edges.slip import slip, with_held
from holdfast.errors import BadInput, Unreachable
from holdfast.ids import parse_trace_key
from holdfast.money import format_amount
from holdfast.parties.batch_messages import totals_of
from holdfast.parties.batch_upload import in_words
from holdfast.parties.operators import ADMINISTRATOR
from holdfast.parties.settings import parameters_from
from holdfast.register.canonical import decode_strict
from holdfast.runtime.business_clock import BusinessClock
from holdfast.runtime.journal_check import damage_said
from holdfast.runtime.pos import file_of, keys_of
from holdfast.store.sqlite import SqliteReader
from holdfast.wire.header import PROCESSING_REQUESTS
from holdfast.wire.settlement import parse_totals

T = TypeVar("T")

INCOMPLETE = "the journal was damaged ({}) and is incomplete until it is rebuilt from the register: `sync` does that"

LAST = "last"
LAST_SETTLEMENT = "settlement"

Key = Annotated[str, typer.Argument(metavar="KEY", help="The request's trace key, like T0000001/000001/000123/0100.")]


def reading(counter: Counter) -> SqliteReader:
    """The terminal's file, read-only. A journal that is damaged is not shown as if it were whole: that ends with 1."""
    path = file_of(counter.folder, counter.terminal_id)
    if not path.exists():
        raise Unreachable(f"terminal {counter.terminal_id} has no journal in {counter.folder}")
    if not counter.checked:
        says = damage_said(path, keys_of(counter.folder), BusinessClock(counter.folder).now_us())
        if says:
            note(says)
            raise typer.Exit(1)
        counter.checked = True
    return SqliteReader(path)


def told_by(counter: Counter, ask: Callable[[SqliteReader], Awaitable[T]]) -> T:
    """What the terminal's file says, and once that it does not say all."""

    async def asked() -> T:
        first = not counter.checked
        reader = reading(counter)
        try:
            device: Device | None = await reader.row(DEVICES, counter.terminal_id) if first else None
            if device is not None and device.mending:
                note(INCOMPLETE.format(device.mending))
            return await ask(reader)
        finally:
            await reader.close()

    return asyncio.run(asked())


def device_of(counter: Counter) -> Device:
    """The terminal's own row."""
    device: Device | None = told_by(counter, lambda reader: reader.row(DEVICES, counter.terminal_id))
    if device is None:
        raise BadInput(f"terminal {counter.terminal_id} was never loaded")
    return device


def sale_of(counter: Counter, key: str) -> Sale:
    """One of its requests, or BadInput."""
    sale: Sale | None = told_by(counter, lambda reader: reader.row(SALES, str(parse_trace_key(key))))
    if sale is None:
        raise BadInput(f"no request of terminal {counter.terminal_id} is {key}")
    return sale


def query(context: typer.Context, key: Key) -> None:
    """What this terminal believes of a request. 查询"""
    counter: Counter = context.obj
    sale = sale_of(counter, key)
    value = {name: field for name, field in sale._asdict().items() if name not in ("pan_sealed", "previous")}
    if counter.json:
        print_json({**value, "amount": sale.amount_minor})
    else:
        print_table(
            key, ("what", "is"), [_in_words(*each) for each in value.items() if each[1] not in (None, "", False)]
        )
    raise typer.Exit(EXIT_CODES.get(sale.outcome, 1))


def _in_words(name: str, field: Any) -> tuple[str, object]:
    """A field of a sale as a person reads it: times and money not in their smallest units."""
    if name.endswith("_us"):
        return name.removesuffix("_us"), rfc3339(field)
    if name == "amount_minor":
        return "amount", format_amount(field)
    return name.replace("_", " "), field


def receipt(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A trace key, `last`, or `settlement` for the last one.")],
) -> None:
    """Print a slip again. 重打印"""
    counter: Counter = context.obj
    device = device_of(counter)
    key = {LAST: device.last_receipt, LAST_SETTLEMENT: device.last_settlement}.get(key, key)
    if not key:
        raise BadInput(f"terminal {counter.terminal_id} has printed no such slip yet")
    sale = sale_of(counter, key)
    if sale.kind == SETTLEMENT:
        answer = parse_totals(sale.host_totals) if sale.host_totals else None
        text = settlement_slip(sale, device, parse_totals(sale.totals or ""), answer, counter.language, reprint=True)
    else:
        held = {"hold": sale.hold or ""}
        about = told_by(counter, lambda reader: reader.select(SALES, held)) if sale.hold else ()
        text = slip(with_held(sale, about), device, counter.language, reprint=True)
    print_json({"trace_key": key, "receipt": text}) if counter.json else sys.stdout.write(text)


def last(
    context: typer.Context,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many.")] = 10,
) -> None:
    """The last requests, the newest first. 交易查询"""
    counter: Counter = context.obj
    rows: list[Sale] = told_by(counter, lambda reader: reader.select(SALES, {}, order="sequence"))
    sales = [sale for sale in rows if sale.batch][:count]
    if counter.json:
        for sale in sales:
            print_json(listed(sale))
        return
    columns = ("at", "kind", "outcome", "amount", "card", "code", "trace key")
    shown = ((f"{s.local_date[5:]} {s.local_time}", *_listed(s)) for s in sales)
    print_table(f"last requests of {counter.terminal_id}", columns, shown)


def _listed(sale: Sale) -> tuple[object, ...]:
    amount = format_amount(sale.amount_minor) if sale.amount_minor else ""
    return sale.kind, sale.outcome, amount, f"…{(sale.card or '')[-4:]}", sale.authorization_code, sale.trace_key


def listed(sale: Sale) -> dict[str, Any]:
    """A request as a list shows it."""
    names = ("trace_key", "kind", "outcome", "response_code", "currency", "card", "operator", "authorization_code",
             "rrn", "register_entry", "original_code", "reason")  # fmt: skip
    at = {"date": sale.local_date, "time": sale.local_time, "amount": sale.amount_minor}
    return {**at, **{name: getattr(sale, name) for name in names}}


def totals(context: typer.Context) -> None:
    """The totals of the batch, as this terminal has them. 交易汇总"""
    counter: Counter = context.obj
    device = device_of(counter)
    sales = told_by(counter, lambda reader: reader.select(SALES, {"batch": device.batch}))
    counted = in_words(totals_of(sales))
    waits = sum(bool(sale.delivery) for sale in sales)
    if counter.json:
        print_json({"batch": device.batch, "requests": device.asked_n, "told": waits, "totals": counted})
        return
    columns = (f"batch {device.batch}", "debit", "", "credit", "")
    rows = [(name, *_sums(each)) for name, each in counted.items()]
    print_table(f"totals of {counter.terminal_id}, {device.asked_n} requests", columns, rows)
    if waits:
        sys.stdout.write(f"not registered yet and not counted: {waits}\n")


def _sums(each: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        each["debit_count"],
        format_amount(each["debit_amount"]),
        each["credit_count"],
        format_amount(each["credit_amount"]),
    )


def parameters(
    context: typer.Context,
    download: Annotated[bool, typer.Option("--download", help="Fetch them from the acquirer first (99).")] = False,
) -> None:
    """Who this terminal is and what it is set to. 参数"""
    counter: Counter = context.obj
    if download:
        operator = counter.named_operator or ADMINISTRATOR
        at_work(counter, lambda pos: pos.tell("download", {}, operator))
    device = device_of(counter)
    page = {
        **{name: getattr(device, name) for name in ("terminal_id", "merchant_id", "merchant_name", "merchant_name_en")},
        "batch": device.batch,
        "trace": f"{device.stan:06d}",
        "signed_on": device.signed_on,
        "requests": device.asked_n,
        "settling": device.settling or None,
        "asked_by_acquirer": [PROCESSING_REQUESTS.get(digit, digit) for digit in device.notices],
        **parameters_from(device.parameters)._asdict(),
    }
    if counter.json:
        print_json(page)
        return
    shown = {**page, "asked_by_acquirer": ", ".join(page["asked_by_acquirer"]) or None}
    rows = [(name.replace("_", " "), value) for name, value in shown.items() if value not in (None, "")]
    print_table(f"parameters of {counter.terminal_id}", ("what", "is"), rows)


def journal(context: typer.Context) -> None:
    """The terminal's journal, oldest first. 终端流水"""
    counter: Counter = context.obj

    async def all_entries(reader: SqliteReader) -> list[dict[str, Any]]:
        heads = await reader.logs()
        entries = [await reader.entries(head.log, 1, head.frontier.size) for head in heads]
        return [decode_strict(entry.body) for log in entries for entry in log]

    entries = told_by(counter, all_entries)
    if counter.json:
        for entry in entries:
            print_json(entry)
        return
    print_table(f"journal of {counter.terminal_id}", JOURNAL_COLUMNS, map(journal_cells, entries))
    for entry in entries:
        if entry.get("phase") == "mended":
            told = f"damaged: {entry['says']}, kept up to entry {entry['kept']}"
            sys.stdout.write(f"entry {entry['number']}: the journal was {told}\n")
    for damaged in sorted(
        file_of(counter.folder, counter.terminal_id).parent.glob(f"{counter.terminal_id}.damaged-*.sqlite")
    ):
        sys.stdout.write(f"a damaged journal is kept in {damaged}\n")


JOURNAL_COLUMNS = ("number", "at", "kind", "what happened", "amount", "trace key", "entry")


def journal_cells(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """One line of the journal; its time without year and seconds, for a line has a hundred columns."""
    at, kind = rfc3339(entry["at"])[5:16].replace("T", " "), str(entry.get("kind"))
    amount = format_amount(entry["amount"]) if "amount" in entry else ""
    happened = " ".join(dict.fromkeys(filter(None, (entry.get("phase"), entry.get("outcome")))))
    named = entry.get("trace_key"), entry.get("register_entry")
    return entry["number"], at, SHORT_KINDS.get(kind, kind), happened, amount, *named


def add_to(app: typer.Typer) -> None:
    """All of them, in the order of the help."""
    app.command("query")(query)
    app.command("receipt")(receipt)
    app.command("last")(last)
    app.command("totals")(totals)
    app.command("journal")(journal)
    app.command("parameters")(parameters)
