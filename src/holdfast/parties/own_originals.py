"""What a linked request means, where this terminal made it itself: its own rows fill in what was not entered.

A hold is meant by the code of any of its slips, the pre-authorization's or an increment's. A posting (completion or
sale) is meant by its reference number, its own code, or that of its hold.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from holdfast.domain.commands import (
    COMPLETION,
    COMPLETION_ADVICE,
    COMPLETION_VOID,
    INCREMENT,
    MOTO,
    PRE_AUTHORIZATION,
    REFUND,
    SALE,
    SALE_VOID,
    VOID,
    Kind,
    Means,
)
from holdfast.domain.records import SALES, Sale
from holdfast.domain.tables import Find
from holdfast.ids import mask_pan, parse_trace_key
from holdfast.parties.entered import Wanted
from holdfast.parties.pos_messages import NO_TRACE
from holdfast.parties.step import Reads

LOOKED_AT_MAX = 16
"""So many requests of this terminal with one code, and so many about one hold, are looked at."""

HOLD_KINDS = (PRE_AUTHORIZATION, MOTO, INCREMENT)
POSTED_BY: dict[Kind, tuple[Kind, ...]] = {
    COMPLETION_VOID: (COMPLETION,),
    SALE_VOID: (SALE,),
    REFUND: (SALE, COMPLETION, COMPLETION_ADVICE),
}
"""What each kind that means a posting can mean."""


class Own(NamedTuple):
    """The request that is meant, None where another terminal made it; and what stands of it, where that is known."""

    sale: Sale | None = None
    amount_minor: int | None = None


def look_up(wanted: Wanted) -> Reads[Own]:
    """The own original of a request, if it has one."""
    if wanted.kind.means is Means.HOLD:
        return (yield from _hold(wanted))
    if wanted.kind.means is Means.POSTING:
        return (yield from _posting(wanted))
    return Own()


def _hold(wanted: Wanted) -> Reads[Own]:
    (found,) = yield (Find(SALES, (("authorization_code", wanted.code),), LOOKED_AT_MAX),)
    sale = _newest(found, HOLD_KINDS, wanted)
    if sale is None or sale.hold is None or wanted.kind is not VOID:
        return Own(sale, sale.amount_minor if sale else None)
    (about,) = yield (Find(SALES, (("hold", sale.hold),), LOOKED_AT_MAX),)
    # A void gives back all of it, what was added later too.
    held = [each.amount_minor for each in about if _stands(each, HOLD_KINDS)]
    return Own(sale, sum(held))


def _posting(wanted: Wanted) -> Reads[Own]:
    where: tuple[tuple[str, str], ...] = (("authorization_code", wanted.code), ("original_code", wanted.code))
    if wanted.rrn:
        where = (("rrn", wanted.rrn),)
    found: list[list[Sale]] = yield tuple(Find(SALES, (each,), LOOKED_AT_MAX) for each in where)
    sale = _newest((sale for rows in found for sale in rows), POSTED_BY[wanted.kind], wanted)
    return Own(sale, sale.amount_minor if sale else None)


def _newest(found: Iterable[Sale], kinds: tuple[Kind, ...], wanted: Wanted) -> Sale | None:
    card = mask_pan(wanted.card.pan)
    fitting = [sale for sale in found if _stands(sale, kinds) and sale.card == card]
    return max(fitting, key=lambda sale: sale.sequence, default=None)


def _stands(sale: Sale, kinds: tuple[Kind, ...]) -> bool:
    return sale.outcome == "approved" and any(sale.kind == kind.name for kind in kinds)


def facts_of(wanted: Wanted, own: Sale | None, today_mmdd: str) -> dict[str, Any]:
    """What the journal says of the original; the request is made from it. Nothing for a kind that has none."""
    if wanted.kind.means is Means.NOTHING:
        return {}
    facts: dict[str, Any] = {"original_code": wanted.code or None, "hold": own.hold if own else None}
    if wanted.kind is INCREMENT:
        return facts | {"original_trace": NO_TRACE}
    if wanted.kind.means is Means.POSTING and own is not None:
        facts |= {"original_code": own.authorization_code or wanted.code or None, "original_rrn": own.rrn}
    facts["original_rrn"] = wanted.rrn or facts.get("original_rrn")
    if wanted.mmdd or own is None:
        # A date that was entered stands, even against our own record: the slip in the cashier's hand may be another's.
        return facts | {"original_date": wanted.mmdd or today_mmdd, "original_trace": wanted.trace or NO_TRACE}
    key = parse_trace_key(own.trace_key)
    date = own.local_date[5:7] + own.local_date[8:10]
    return facts | {"original_date": date, "original_trace": wanted.trace or key.batch + key.stan}
