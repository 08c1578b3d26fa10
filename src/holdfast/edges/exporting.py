"""`holdfast register export`: what the register lists, as a file for spreadsheets or for analysis."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from holdfast import __version__
from holdfast.clock import rfc3339
from holdfast.edges.open_reader import Installation, open_reader
from holdfast.edges.output import print_json, print_table
from holdfast.edges.whole_file import put_in_place
from holdfast.errors import BadInput
from holdfast.money import CURRENCY_CNY, format_amount
from holdfast.reading.export import ENTRIES, REQUESTS, Schema, Sum, Totals, pages
from holdfast.reading.export_files import SINKS
from holdfast.reading.views import Filters, Register


class Order(NamedTuple):
    """What is to be written, and where."""

    file: Path
    form: str
    entries: bool
    force: bool

    @property
    def schema(self) -> Schema:
        """The columns of the file."""
        return ENTRIES if self.entries else REQUESTS


class Written(NamedTuple):
    """What was written; the sums are those of exactly these rows."""

    order: Order
    bytes_: int
    rows: int
    sums: list[Sum]


def order_of(file: Path, form: str, entries: bool, force: bool) -> Order:
    """The order that the options give; BadInput when no format is meant."""
    wanted = form or file.suffix.removeprefix(".")
    if wanted not in SINKS:
        named = f"--format {form!r}" if form else f"the ending of {file.name}"
        raise BadInput(f"{named} is not one of {', '.join(SINKS)}: say which with --format")
    return Order(file.expanduser(), wanted, entries, force)


async def export(at: Installation, filters: Filters, order: Order) -> Written:
    """Write the file, whole or not at all. BadInput when it is there already or cannot hold what is asked for."""
    totals = Totals()
    with put_in_place(order.file, order.force) as draft:
        sink = SINKS[order.form](draft, order.schema, about(filters, order))
        try:
            async with open_reader(at.dsns) as reader:
                async for page in pages(Register(reader), filters, order.entries, totals):
                    sink.write(page)
            sink.finish()
        finally:
            sink.close()
    return Written(order, order.file.stat().st_size, totals.rows, list(totals.sums()))


def about(filters: Filters, order: Order) -> Mapping[str, str]:
    """What a file says of itself, where its format has a place for it."""
    asked = {name: str(value) for name, value in filters._asdict().items() if value is not None}
    return {
        "schema": f"holdfast register {order.schema.name}",
        "schema_version": str(order.schema.version),
        "exported_at": rfc3339(time.time_ns() // 1000),
        "exported_by": f"holdfast {__version__}",
        "filters": ", ".join(f"{name} {value}" for name, value in asked.items()) or "none",
    }


def print_written(written: Written, json: bool) -> None:
    """The totals: whoever sends the file on can compare them with what arrives."""
    order = written.order
    if json:
        print_json(
            {
                "file": str(order.file),
                "format": order.form,
                "schema": order.schema.name,
                "schema_version": order.schema.version,
                "bytes": written.bytes_,
                "rows": written.rows,
                "totals": [each._asdict() for each in written.sums],
            }
        )
        return
    if written.sums:
        state = "phase" if order.entries else "outcome"
        cells = ((each.kind, each.state, each.rows, "" if order.entries else _money(each)) for each in written.sums)
        print_table("written", ("kind", state, "rows", "amount"), cells)
    sys.stdout.write(
        f"{written.rows:,} {order.schema.name} in {order.file} ({written.bytes_:,} bytes, {order.form}, "
        f"schema {order.schema.name} version {order.schema.version})\n"
    )


def _money(each: Sum) -> str:
    return format_amount(each.amount) + ("" if each.currency in ("", CURRENCY_CNY) else f" ({each.currency})")
