"""What is compared of a row and of what its entries come to (I7): the same tuple, made of either."""

from typing import Any

import orjson

from holdfast.sim.folds import OwnHold, entry_of
from holdfast.sim.own_book import OwnAnswer
from holdfast.sim.own_register import SIDE_NAMES, OwnBatch, OwnRequest

Compared = tuple[Any, ...]


def request_row(row: Any) -> Compared:
    """A row of `requests`."""
    state = row.kind, row.outcome, row.response_code, row.undo, row.delivery
    return *state, row.entry, row.asked_entry, row.amount_minor, row.hold_id, row.batch_id


def request_own(own: OwnRequest) -> Compared:
    """The same, from entries."""
    told = own.told
    undo = "done" if own.owed and own.undone else "objected" if own.objected else "owed" if own.owed else ""
    state = own.kind, own.outcome, told.get("response_code"), undo, own.delivery
    return *state, entry_of(told), own.exchange_id, own.amount_minor, own.hold_id or None, own.batch_id


def batch_row(row: Any) -> Compared:
    """A row of `batches`."""
    sums = [(getattr(row, f"{side}_minor"), getattr(row, f"{side}_count")) for side in SIDE_NAMES]
    return row.version, sums, row.settled, row.settled_us, row.uploaded.split()


def batch_own(own: OwnBatch) -> Compared:
    """The same, from entries."""
    last = own.settlements[-1].facts if own.settlements else None
    settled = (last["batch"]["settled"], last["at"]) if last else ("", 0)
    return len(own.changes), [own.sums[side] for side in SIDE_NAMES], *settled, own.uploaded


def hold_row(row: Any) -> Compared:
    """A row of `holds`."""
    sums = row.requested_minor, row.completed_minor, row.refunded_minor
    return row.version, row.state, orjson.loads(row.acts), *sums, row.expires_us


def hold_own(own: OwnHold) -> Compared:
    """The same, from entries."""
    walk = own.walked()
    sums = own.last.requested_minor, walk.completed_minor, walk.refunded_minor
    return len(own.changes), own.state, own.acts, *sums, own.last.expires_us


def freeze_row(row: Any) -> Compared:
    """A row of `freezes`."""
    return *hold_row(row), row.held_minor


def freeze_own(own: OwnHold) -> Compared:
    """The same, from entries. At the issuer nothing is asked for where nothing is in force."""
    walk = own.walked()
    sums = walk.requested_minor, walk.completed_minor, walk.refunded_minor
    return len(own.changes), own.state, own.acts, *sums, own.last.expires_us, walk.held_minor


def answer_row(row: Any) -> Compared:
    """A row of `answers`."""
    return row.outcome, row.response_code, row.entry, row.amount_minor


def answer_own(own: OwnAnswer) -> Compared:
    """The same, from entries."""
    return own.outcome, own.facts["response_code"], own.entry, own.facts["amount"]
