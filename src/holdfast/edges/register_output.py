"""How the answers of `holdfast register` look: JSON for programs, tables that read well in a hundred columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from holdfast.clock import rfc3339
from holdfast.domain.commands import (
    AUDIT,
    BATCH_UPLOAD,
    BUSINESS_KINDS,
    CLAIM,
    DOWNLOAD,
    EXPIRY,
    FINDING,
    RECORDS,
    RELEASE,
    REVERSAL,
    SCRIPT_NOTICE,
    SETTLEMENT,
    SIGN_OFF,
    SIGN_ON,
)
from holdfast.domain.hold import State
from holdfast.edges.output import SHORT_KINDS, person
from holdfast.money import format_amount
from holdfast.parties.advancing import ADVANCED
from holdfast.reading.audit import Audited
from holdfast.reading.batches import BatchRow
from holdfast.reading.timeline import Detail, HoldRow
from holdfast.reading.views import EntryRow, RegisterRow
from holdfast.register.checkpoint import parse
from holdfast.runtime.business_clock import spelled
from holdfast.store.interface import Checkpoint
from holdfast.wire.settlement import ClassTotals, Totals

COLOURS = {
    "approved": "green",
    "declined": "red",
    "unknown": "yellow",
    "claimed": "yellow",
    "reversed": "magenta",
    "expired": "blue",
    "balanced": "green",
    "not balanced": "red",
    "not compared": "red",
}
OF_THE_BATCH = (SIGN_ON, SIGN_OFF, SETTLEMENT, BATCH_UPLOAD, CLAIM, SCRIPT_NOTICE, DOWNLOAD, RECORDS)
KINDS = (*(kind.name for kind in BUSINESS_KINDS), REVERSAL, *OF_THE_BATCH, RELEASE, EXPIRY, FINDING, AUDIT)

FACTS_ONLY = frozenset({SIGN_ON, SIGN_OFF, DOWNLOAD, RECORDS, RELEASE, EXPIRY, FINDING, AUDIT})
"""Kinds that no request is of: they are listed among the entries."""

RIGHT = frozenset({"amount", "entries"})
IDS = frozenset({"entry", "batch", "log", "trace key", "when", "due"})
"""Columns that are never broken: what stands in them is copied."""

TIMES = frozenset({"due", "from", "to", "machine"})
"""Facts that are an instant, microseconds since 1970: when a finding is due; whence and whither a clock was advanced,
and when that was by the machine's.
"""

WIDTH_FOR = {"terminal": 90, "hold": 100}
"""Columns that a screen has room for from so many characters on."""


def print_rows(rows: Sequence[RegisterRow | EntryRow], entries: bool) -> None:
    """Requests, or facts."""
    if not rows:
        person().print("nothing is registered that fits")
    elif entries:
        facts = [row for row in rows if isinstance(row, EntryRow)]
        print_facts = _print_findings if all(row.kind == FINDING for row in facts) else _print_entries
        print_facts(facts)
    else:
        _print_requests([row for row in rows if isinstance(row, RegisterRow)], "code")


def print_open(rows: Sequence[RegisterRow]) -> None:
    """Requests, and what each waits for."""
    if rows:
        _print_requests(rows, "waits for")
    else:
        person().print("nothing is open that fits")


def _print_requests(rows: Sequence[RegisterRow], last: str) -> None:
    columns = ["entry", "when", "kind", "outcome", "amount", "card", "terminal", "hold", last]
    columns = [column for column in columns if person().width >= WIDTH_FOR.get(column, 0)]
    _print(columns, ([_request_cells(row)[column] for column in columns] for row in rows))


def _request_cells(row: RegisterRow) -> Mapping[str, str | Text]:
    return {
        "entry": row.entry,
        "when": _when(row),
        "kind": SHORT_KINDS.get(row.kind, row.kind),
        "outcome": Text(f"{row.outcome} {row.response_code or ''}".rstrip(), style=COLOURS.get(row.outcome, "")),
        "amount": _money(row.amount),
        "card": f"…{row.card[-4:]}" if row.card else "",
        "terminal": row.terminal_id,
        "hold": row.hold_state or "",
        "code": row.authorization_code or "",
        "waits for": row.waits_for or "",
    }


def row_json(row: RegisterRow | EntryRow) -> dict[str, Any]:
    """A row by its names; with a finding, who must do what until when (RFC 3339)."""
    said = row._asdict()
    if row.kind == FINDING and isinstance(row, EntryRow):
        said |= {name: row.facts.get(name) for name in ("owner", "next_action")} | {"due": _due(row.facts)}
    return said


def _due(facts: Mapping[str, Any]) -> str:
    return rfc3339(facts["due"]) if "due" in facts else ""


def _print_findings(rows: Iterable[EntryRow]) -> None:
    columns = ("entry", "when", "about", "why", "owner", "next action", "due")
    _print(columns, (_finding_cells(row) for row in rows))


def _finding_cells(row: EntryRow) -> list[str | Text]:
    said = row.facts
    about = said.get("about") or row.trace_key or ""
    due = _short(_due(said)) if "due" in said else ""
    return [row.entry, _when(row), about, row.reason or "", said.get("owner", ""), said.get("next_action", ""), due]


def _money(amount_minor: int | None) -> str:
    """Nothing where no money is meant, as in a settlement."""
    return format_amount(amount_minor) if amount_minor else ""


def _print_entries(rows: Iterable[EntryRow]) -> None:
    columns = ("entry", "when", "kind", "what happened", "amount", "trace key")
    _print(columns, (_entry_cells(row) for row in rows))


def _entry_cells(row: EntryRow) -> list[str | Text]:
    told = dict.fromkeys(filter(None, (row.phase, row.outcome, row.response_code, *_advanced(row))))
    happened = Text(" ".join(told), style=COLOURS.get(row.outcome or "", ""))
    return [
        row.entry,
        _when(row),
        SHORT_KINDS.get(row.kind, row.kind),
        happened,
        _money(row.amount),
        row.trace_key or "",
    ]


def _advanced(row: EntryRow) -> list[str]:
    """How far, where the clock was advanced."""
    return [f"by {spelled(row.facts['to'] - row.facts['from'])}"] if row.phase == ADVANCED else []


def _when(row: RegisterRow | EntryRow) -> str:
    return f"{row.date[5:]} {row.time[:5]}"


def detail_json(detail: Detail) -> dict[str, Any]:
    """The request's row (where there is one) with the shown entry in its place, and all that belongs to it."""
    row = detail.request._asdict() if detail.request else {}
    entry = detail.entry
    return {
        **row,
        **{name: getattr(entry, name) for name in ("entry", "at", "date", "time", "kind", "leaf")},
        "facts": entry.facts,
        "request": row or None,
        "hold_now": detail.hold._asdict() if detail.hold else None,
        "candidates": detail.candidates,
        "timeline": [each._asdict() for each in detail.timeline],
        "timeline_complete": detail.complete,
    }


def print_detail(detail: Detail) -> None:
    """The entry's own fields, the near misses, and the timeline."""
    console = person()
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    advanced = [("advanced", said) for said in _advanced(detail.entry)]
    for name, value in (*_headline(detail), *advanced, *sorted(detail.entry.facts.items())):
        if name not in ("log", "number", "candidates", "at", "kind"):
            facts.add_row(Text(name, style="bold"), Text(fact(name, value)))
    facts.add_row(Text("leaf", style="bold"), Text(detail.entry.leaf))
    console.print(facts)
    if detail.hold is not None:
        _print_hold(detail.hold)
    for candidate in detail.candidates:
        differs = "; ".join(
            f"{each['what']}: given {each['given'] or 'nothing'}, registered {each['registered']}"
            for each in candidate["differs"]
        )
        console.print(Text(f"near miss {candidate['hold']}: {differs}", style="yellow"))
    if detail.timeline:
        console.print("\nWhat else belongs to it:")
        _print_entries(detail.timeline)
    if not detail.complete:
        console.print("The register goes on; later entries were not looked at.")


def fact(name: str, value: Any) -> str:
    """One fact of an entry as a person reads it: money with its point, hold and batch in words, the rest as JSON."""
    if name == "amount" and isinstance(value, int):
        return format_amount(value)
    if name in TIMES and isinstance(value, int):
        return rfc3339(value)
    if name == "hold" and isinstance(value, dict):
        return _hold(value)
    if name == "batch" and isinstance(value, dict):
        return _batch(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _hold(change: dict[str, Any]) -> str:
    told = [f"{change['id']} version {change['version']}"]
    if "act" in change:
        name, _, amount_minor, *terms = change["act"]
        told.append(f"{name} {format_amount(amount_minor)}" if amount_minor else name)
        told += _terms(terms[0] if terms else {})
    if "out" in change:
        told.append(f"takes out {change['out']}")
    return ", ".join(told)


def _batch(change: dict[str, Any]) -> str:
    told = f"{change['id']} version {change['version']}"
    if "count" in change:
        counts = "counts as" if change["count"] > 0 else "no longer counts as"
        return f"{told}, {counts} {change['total'].replace('_', ' ')} {format_amount(change['amount'])}"
    what = "settled" if "settled" in change else "uploaded"
    return f"{told}, {what} {orjson.dumps(change[what]).decode()}"


TERMS: dict[str, Callable[[Any], str]] = {
    "code": lambda code: f"code {code}",
    "on": lambda on: f"on {on}",
    "expires_us": lambda expires_us: f"expires {rfc3339(expires_us)}",
    "batch_id": lambda batch_id: f"batch {batch_id}",
    "frozen_minor": lambda frozen_minor: f"frozen {format_amount(frozen_minor)}",
    "advised": lambda _: "advised",
}
"""What an act fixes beside its amount, in words."""


def _terms(terms: Mapping[str, Any]) -> list[str]:
    return [say(terms[name]) for name, say in TERMS.items() if name in terms]


def _print_hold(hold: HoldRow) -> None:
    """The hold as it is now: its money, and the acts in force."""
    money = f"asked for {format_amount(hold.pre_auth_amount)}, completed {format_amount(hold.completed_amount)}"
    refunded = f", refunded {format_amount(hold.refunded_amount)}" if hold.refunded_amount else ""
    until = f" until {hold.expires}" if hold.expires and hold.state == State.HELD else ""
    console = person()
    console.print(Text(f"\nHold {hold.hold} is {hold.state}{until}: {money}{refunded}"), soft_wrap=True)
    for act in hold.acts:
        amount = f" {format_amount(act['amount'])}" if act["amount"] else ""
        console.print(
            Text(f"  {act['act']}{amount} by {act['by']}{''.join(f', {t}' for t in _terms(act))}"), soft_wrap=True
        )


def _headline(detail: Detail) -> list[tuple[str, str]]:
    entry = detail.entry
    told = [("entry", entry.entry), ("registered", entry.at), ("what", entry.kind)]
    if detail.request is not None:
        row = detail.request
        told.append(("present state", f"{row.outcome} {row.response_code or ''}, shown as {row.entry}"))
        if row.asked_entry != row.entry:
            told.append(("asked as", row.asked_entry))
        if row.waits_for:
            told.append(("waits for", row.waits_for))
        told.append(("merchant", f"{row.merchant_id} {row.merchant_name or ''}"))
    return told


def print_batches(rows: Sequence[BatchRow]) -> None:
    """Batches with the register's totals and the terminal's, in brackets of how many requests; foreign cards apart."""
    if not rows:
        person().print("no batch is registered that fits")
        return
    columns = ("batch", "settlement", "register", "terminal", "carried over")
    _print(columns, (_batch_cells(row) for row in rows))


def _batch_cells(row: BatchRow) -> list[str | Text]:
    settlement = Text(row.state, style=COLOURS.get(row.state, ""))
    if row.settled is not None:
        settlement.append(f"\n{_short(row.settled)}", style="default")
    elif row.opened is not None:
        settlement.append(f"\nsince {_short(row.opened)}", style="default")
    return [row.batch, settlement, _totals(row.ours), _totals(row.told), _totals(row.carried_over)]


def _short(moment: str) -> str:
    """`11-22 21:34` of an RFC 3339 time."""
    return f"{moment[5:10]} {moment[11:16]}"


def _totals(totals: Totals | None) -> str:
    if totals is None:
        return ""
    foreign = _half(totals.foreign)
    lines = [*_half(totals.domestic), *(["foreign", *foreign] if foreign else [])]
    return "\n".join(lines) or format_amount(0)


def _half(half: ClassTotals) -> list[str]:
    sides = (
        ("debit", half.debit_amount_minor, half.debit_count),
        ("credit", half.credit_amount_minor, half.credit_count),
    )
    return [f"{side} {format_amount(amount)} ({count})" for side, amount, count in sides if amount or count]


def audit_json(audited: Iterable[Audited]) -> dict[str, Any]:
    """One object over all parties."""
    every = list(audited)
    return {
        "ok": all(each.ok for each in every),
        "entries": sum(each.entries for each in every),
        "logs": [log._asdict() for each in every for log in each.logs],
        "problems": [problem for each in every for problem in each.problems],
        "notes": [note for each in every for note in each.notes],
    }


def print_audit(audited: Iterable[Audited]) -> None:
    """The logs, and every problem on a line."""
    said = audit_json(audited)
    console = person()
    _print(("log", "entries", "root"), ([log["log"], str(log["size"]), log["root"]] for log in said["logs"]))
    for problem in said["problems"]:
        console.print(Text(problem, style="red"), soft_wrap=True)
    for note in said["notes"]:
        console.print(Text(note, style="yellow"), soft_wrap=True)
    if said["ok"]:
        console.print(f"ok: {said['entries']} entries, every one in its place; every row follows from them")
    else:
        console.print(f"not ok: {len(said['problems'])} problems")


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """A signed checkpoint and what it says; RegisterBroken when it is not one."""
    said = parse(checkpoint.signed.partition("\n\n")[0].encode() + b"\n")
    return {
        "log": said.log,
        "size": said.size,
        "root": said.root.hex(),
        "at": rfc3339(said.at_us),
        "signed": checkpoint.signed,
    }


def _print(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in RIGHT else "left"
        table.add_column(column, overflow="fold", justify=justify, no_wrap=column in IDS)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    person().print(table)
