"""The SQL of what a reader asks, alike for every database: only the placeholders differ."""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast.domain.tables import DUE, Table
from holdfast.store.columns import ENTRIES, RARE_KINDS, quoted, shape_of


def question(
    table: Table,
    equal: Mapping[str, str | int | bytes],
    between: tuple[str, int, int] | None,
    order: str | None,
    limit: int | None,
    place: Callable[[int], str],
) -> tuple[str, list[Any]]:
    """The statement of `Reader.select` and its arguments; `place(1)` is the database's first placeholder."""
    shape = shape_of(table)
    asked = {*equal, *(between[:1] if between else ()), *([order] if order else ())}
    assert asked <= set(shape.names), f"{table.name} has no {asked - set(shape.names)}"
    arguments: list[Any] = list(equal.values())
    conditions = [f'"{name}" = {place(at)}' for at, name in enumerate(equal, 1)]
    if between is not None:
        name, low, high = between
        arguments += [low, high]
        conditions.append(f'"{name}" >= {place(len(arguments) - 1)} AND "{name}" < {place(len(arguments))}')
    key = shape.key[0]
    # Every name comes from the shape, every value is an argument.
    parts = [f'SELECT {quoted(shape.names)} FROM "{table.name}"']
    if conditions:
        parts.append(f"WHERE {' AND '.join(conditions)}")
    parts.append(f'ORDER BY "{order}" DESC NULLS LAST, "{key}" DESC' if order else f'ORDER BY "{key}"')
    if limit is not None:
        arguments.append(limit)
        parts.append(f"LIMIT {place(len(arguments))}")
    return " ".join(parts), arguments


def rare_entries(kind: str, place: Callable[[int], str]) -> str:
    """The statement of `Reader.entries_of`; its argument is the log. Only the kind's own words find its index."""
    assert kind in RARE_KINDS, f"{kind} entries have no index"
    columns = [name for name in ENTRIES.names if name != "log"]
    # The kind is a word of our own.
    return f"SELECT {quoted(columns)} FROM entries WHERE log = {place(1)} AND kind = '{kind}' ORDER BY number"


def due_of(kind: str, place: Callable[[int], str]) -> tuple[str, list[str]]:
    """The statement of `Reader.due` and its arguments: a part of the order of keys."""
    where = f"WHERE key >= {place(1)} AND key < {place(2)}"
    # What follows the colon in the order of code points ends the part.
    return f"SELECT {quoted(shape_of(DUE).names)} FROM due {where} ORDER BY key", [f"{kind}:", f"{kind};"]
