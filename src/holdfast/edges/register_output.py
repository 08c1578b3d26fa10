"""How the answers of `holdfast register` look: JSON for programs, tables that read well in a hundred columns."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from holdfast.clock import rfc3339
from holdfast.domain.commands import AUDIT, BUSINESS_KINDS, EXPIRY, FINDING, REVERSAL, SIGN_ON
from holdfast.edges.output import person
from holdfast.money import format_amount
from holdfast.reading.audit import Audited
from holdfast.reading.timeline import Detail
from holdfast.reading.views import EntryRow, RegisterRow
from holdfast.register.checkpoint import parse
from holdfast.store.interface import Checkpoint

COLOURS = {"approved": "green", "declined": "red", "unknown": "yellow", "reversed": "magenta", "expired": "blue"}
SHORT_KINDS = {"pre-authorization": "pre-auth"}
"""So that a line fits into eighty columns."""

KINDS = (*(kind.name for kind in BUSINESS_KINDS), REVERSAL, SIGN_ON, EXPIRY, FINDING, AUDIT)

RIGHT = frozenset({"amount", "entries"})


def print_rows(rows: Sequence[RegisterRow | EntryRow], entries: bool) -> None:
    """Requests, or facts."""
    if not rows:
        person().print("nothing is registered that fits")
    elif entries:
        _print_entries([row for row in rows if isinstance(row, EntryRow)])
    else:
        columns = ("entry", "when", "kind", "outcome", "amount", "card", "terminal", "code")
        _print(columns, (_request_cells(row) for row in rows if isinstance(row, RegisterRow)))


def _request_cells(row: RegisterRow) -> list[str | Text]:
    outcome = Text(f"{row.outcome} {row.response_code or ''}".rstrip(), style=COLOURS.get(row.outcome, ""))
    return [
        row.entry,
        _when(row),
        SHORT_KINDS.get(row.kind, row.kind),
        outcome,
        format_amount(row.amount),
        f"…{row.card[-4:]}" if row.card else "",
        row.terminal_id,
        row.authorization_code or "",
    ]


def _print_entries(rows: Iterable[EntryRow]) -> None:
    columns = ("entry", "when", "kind", "phase", "outcome", "amount", "trace key")
    _print(columns, (_entry_cells(row) for row in rows))


def _entry_cells(row: EntryRow) -> list[str | Text]:
    outcome = Text(" ".join(filter(None, (row.outcome, row.response_code))), style=COLOURS.get(row.outcome or "", ""))
    return [
        row.entry,
        _when(row),
        SHORT_KINDS.get(row.kind, row.kind),
        row.phase or "",
        outcome,
        "" if row.amount is None else format_amount(row.amount),
        row.trace_key or "",
    ]


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
        "candidates": detail.candidates,
        "timeline": [each._asdict() for each in detail.timeline],
        "timeline_complete": detail.complete,
    }


def print_detail(detail: Detail) -> None:
    """The entry's own fields, the near misses, and the timeline."""
    console = person()
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in (*_headline(detail), *sorted(detail.entry.facts.items())):
        if name not in ("log", "number", "candidates", "at", "kind"):
            facts.add_row(Text(name, style="bold"), Text(fact(name, value)))
    facts.add_row(Text("leaf", style="bold"), Text(detail.entry.leaf))
    console.print(facts)
    for candidate in detail.candidates:
        differs = "; ".join(
            f"{each['what']}: given {each['given'] or 'nothing'}, registered {each['registered']}"
            for each in candidate["differs"]
        )
        console.print(Text(f"near miss {candidate['hold']}: {differs}", style="yellow"))
    if detail.timeline:
        console.print("\nThe same request and hold:")
        _print_entries(detail.timeline)
    if not detail.complete:
        console.print("The register goes on; later entries were not looked at.")


def fact(name: str, value: Any) -> str:
    """One fact of an entry as a person reads it: money with its point, a hold in words, the rest as JSON."""
    if name == "amount" and isinstance(value, int):
        return format_amount(value)
    if name == "hold" and isinstance(value, dict):
        return _hold(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _hold(change: dict[str, Any]) -> str:
    told = [f"{change['id']} version {change['version']}"]
    if "act" in change:
        name, _, amount_minor = change["act"]
        told.append(f"{name} {format_amount(amount_minor)}" if amount_minor else name)
    if "expires" in change:
        told.append(f"expires {rfc3339(change['expires'])}")
    others = (name for name in change if name not in ("id", "version", "act", "expires", "placed_on"))
    return ", ".join([*told, *(f"{name} {change[name]}" for name in others)])


def _headline(detail: Detail) -> list[tuple[str, str]]:
    entry = detail.entry
    told = [("entry", entry.entry), ("registered", entry.at), ("what", entry.kind)]
    if detail.request is not None:
        row = detail.request
        told.append(("present state", f"{row.outcome} {row.response_code or ''}, shown as {row.entry}"))
        told.append(("merchant", f"{row.merchant_id} {row.merchant_name or ''}"))
    return told


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
        table.add_column(column, overflow="fold", justify="right" if column in RIGHT else "left")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    person().print(table)
