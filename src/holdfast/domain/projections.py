"""How register entries become requests, holds and batches: the one place where the acquirer's projections come from.

A decision writes an entry's facts; the rows follow from them by `changes`, when it is written and again when an audit
rebuilds everything from the log. So a row can never say what no entry said.

Facts of a request entry (keys of the entry's body): `trace_key`, `phase` and, in the entry that opens the request
(it has a `question`), all that a Request keeps. Phases:

    asked     the issuer is being asked             answered  the issuer's answer was taken
    refused   declined by the acquirer itself       unknown   the issuer was silent
    late      an answer after that                  undone    the issuer acknowledged our reversal
    recorded  answered by the acquirer alone: a reversal (`reverses` names the request, `undoes` says what became of
              it), an advice, a settlement, an upload
    barred    a reversal or repeat came first       objected  the issuer refused our reversal
    delivered the issuer acknowledged our advice    disputed  the issuer refused our advice
    duplicate same key, other question: changes no row

`hold` says how a hold changes: `id`, `version`, and `act` [name, by, amount, terms] put in force, or `out`: the request
whose act is taken out. `batch` says how the totals of a batch change: `id`, `version`, and `count` 1 or -1 of `amount`
on the side `total`, or `settled`: what a settlement said of it, or `uploaded`: the trace numbers that an upload named.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from holdfast.domain.hold import acts_after, dump, fold, load
from holdfast.domain.records import BATCHES, HOLDS, REQUESTS, Batch, Hold, Request
from holdfast.domain.tables import Key, Row, Table, Write, insert, put
from holdfast.ids import batch_of, entry_id

Facts: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Mapping[tuple[Table, Key], Row]

_TABLE_OF = {Request: REQUESTS, Hold: HOLDS, Batch: BATCHES}


def rows_of(*rows: Row | None) -> dict[tuple[Table, Key], Row]:
    """Requests, holds and batches that were read, by table and key; those that do not exist are left out."""
    return {(_TABLE_OF[type(row)], row[0]): row for row in rows if row is not None}


def changes(known: Rows, facts: Facts) -> dict[tuple[Table, Key], Row]:
    """The rows that an entry changes, as they are after it; `known` holds at least these rows as they were before."""
    after: dict[tuple[Table, Key], Row] = {}
    key = facts.get("trace_key", "")
    if "question" in facts:
        after[REQUESTS, key] = opened(facts)
    elif key and facts["phase"] in _CONTINUES:
        after[REQUESTS, key] = continued(known[REQUESTS, key], facts)
    if facts.get("undoes") == "taken out":
        undone = facts["reverses"]
        after[REQUESTS, undone] = reversed_by(known[REQUESTS, undone], facts)
    if "hold" in facts:
        hold_id = facts["hold"]["id"]
        hold = known.get((HOLDS, hold_id)) or placed(facts, after[REQUESTS, key])
        after[HOLDS, hold_id] = hold_after(hold, facts)
    if "batch" in facts:
        batch_id = facts["batch"]["id"]
        after[BATCHES, batch_id] = batch_after(known.get((BATCHES, batch_id)) or new_batch(batch_id), facts)
    return after


def writes(known: Rows, after: Rows) -> tuple[Write, ...]:
    """What a step writes for the rows after it. A row that was not known must be new."""
    return tuple(put(place[0], row) if place in known else insert(place[0], row) for place, row in after.items())


def rebuilt(log: Iterable[Facts]) -> dict[tuple[Table, Key], Row]:
    """Every row that the entries of a register make, from the first entry to the last."""
    rows: dict[tuple[Table, Key], Row] = {}
    for facts in log:
        rows.update(changes(rows, facts))
    return rows


# --- requests -----------------------------------------------------------------------------------------------------


def opened(facts: Facts) -> Request:
    """The request row that an opening entry makes."""
    get = facts.get
    entry = entry_id(facts["log"], facts["number"])
    return Request(
        facts["trace_key"],
        facts["kind"],
        get("echoes", facts["kind"]),
        facts["outcome"],
        bytes.fromhex(facts["question"]),
        facts["terminal_id"],
        facts["merchant_id"],
        facts["actor"],
        facts["at"],
        0 if facts["outcome"] == "asked" else facts["at"],
        facts["business_date"],
        get("token"),
        get("card"),
        get("issuer"),
        get("amount", 0),
        get("currency", ""),
        facts["rrn"],
        entry,
        entry,
        get("response_code"),
        get("authorization_code"),
        get("hold_id"),
        get("original"),
        "",
        get("reason"),
        get("sequence", 0),
        batch_of(facts["trace_key"]),
        get("scheme", ""),
        get("delivery", ""),
        get("rest", ""),
    )


_CONTINUES = frozenset({"answered", "unknown", "late", "undone", "objected", "delivered", "disputed"})


def continued(request: Request, facts: Facts) -> Request:
    """The request after a later entry about it."""
    phase, entry = facts["phase"], entry_id(facts["log"], facts["number"])
    if phase == "answered":
        return request._replace(
            outcome=facts["outcome"],
            answered_us=facts["at"],
            entry=entry,
            response_code=facts["response_code"],
            authorization_code=facts.get("authorization_code"),
            hold_id=facts["hold"]["id"] if "hold" in facts else request.hold_id,
            undo=facts.get("undo", request.undo),
            delivery=facts.get("delivery", request.delivery),
            reason=facts.get("reason"),
        )
    if phase == "unknown":
        return request._replace(
            outcome="unknown",
            answered_us=facts["at"],
            entry=entry,
            response_code=facts["response_code"],
            undo=facts.get("undo", ""),
        )
    if phase in ("late", "objected"):
        return request._replace(undo=facts["undo"])
    if phase == "delivered":
        return request._replace(delivery="done")
    if phase == "disputed":
        return request._replace(delivery="objected", outcome="claimed", reason=facts["reason"])
    assert phase == "undone", f"no such phase of a request: {phase}"
    outcome = "reversed" if request.outcome == "unknown" else request.outcome
    return request._replace(outcome=outcome, undo="done")


def reversed_by(request: Request, facts: Facts) -> Request:
    """The request after a terminal's reversal of it was recorded. What it left is not freed any more, but undone."""
    undo = "done" if request.undo == "done" else facts.get("undo", request.undo)
    return request._replace(outcome="reversed", undo=undo, delivery="")


# --- holds --------------------------------------------------------------------------------------------------------


def placed(facts: Facts, request: Request) -> Hold:
    """The hold that an approved pre-authorization or sale makes, before its first act."""
    key = request.trace_key.split("/")
    return Hold(
        facts["hold"]["id"],
        0,
        "none",
        "[]",
        request.token or "",
        request.card or "",
        request.issuer_id or "",
        request.merchant_id,
        request.terminal_id,
        facts["authorization_code"],
        key[1],
        key[2],
        request.at_us,
        "",
        0,
        0,
        0,
        0,
    )


def hold_after(hold: Hold, facts: Facts) -> Hold:
    """The hold after an entry that touches it. What no act in force says any more stays as it was last said."""
    change = facts["hold"]
    acts = acts_after(load(hold.acts), change)
    life = fold(acts)
    return hold._replace(
        version=change["version"],
        state=life.state.value,
        acts=dump(acts),
        authorization_code=life.code or hold.authorization_code,
        placed_on=acts[0].terms.on if acts else hold.placed_on,
        expires_us=life.expires_us or hold.expires_us,
        requested_minor=life.requested_minor or hold.requested_minor,
        completed_minor=life.completed_minor,
        refunded_minor=life.refunded_minor,
    )


# --- batches ------------------------------------------------------------------------------------------------------


def new_batch(batch_id: str) -> Batch:
    """A batch in which nothing counts yet."""
    return Batch(batch_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, "", 0, "")


def batch_after(batch: Batch, facts: Facts) -> Batch:
    """The batch after an entry that counts in it, or settles it."""
    change = facts["batch"]
    batch = batch._replace(version=change["version"])
    if "settled" in change:
        return batch._replace(settled=change["settled"], settled_us=facts["at"])
    if "uploaded" in change:
        return batch._replace(uploaded=" ".join([*batch.uploaded.split(), *change["uploaded"]]))
    side, count = change["total"], change["count"]
    moved = {f"{side}_minor": change["amount"] * count, f"{side}_count": count}
    return batch._replace(**{name: getattr(batch, name) + by for name, by in moved.items()})


def side_of(total: str, foreign: bool) -> str:
    """The columns of a batch that a kind's total counts in: `debit`, `foreign_credit`, …"""
    return f"foreign_{total}" if foreign else total
