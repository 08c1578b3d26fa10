"""One thing at a time: what is under way about a hold, and what must wait for it.

As long as nobody knows whether the issuer booked a request, nothing may be built upon its hold: the issuer would refuse
to undo the first one, and a guest would pay twice. So a request about such a hold waits a moment and is then asked to
come again, an advice is told when what came before it is over, and of two reversals the newer one goes first.
"""

from collections.abc import Iterable

from holdfast.domain.commands import BY_NAME
from holdfast.domain.records import REQUESTS, Request
from holdfast.domain.tables import Find

ABOUT_MAX = 256
"""So many requests about one hold are looked at."""

UNDELIVERED = frozenset({"owed", "objected"})
"""Our reversal was not acknowledged, or was refused because something had been built upon what it undoes."""


def about(hold_id: str) -> Find:
    """The requests about a hold."""
    return Find(REQUESTS, (("hold_id", hold_id),), ABOUT_MAX)


def is_in_doubt(request: Request) -> bool:
    """Whether the issuer may have booked it, or not."""
    return request.outcome == "asked" or request.undo in UNDELIVERED


def is_under_way(request: Request) -> bool:
    """Whether it is in doubt, or the issuer is still to be told of it."""
    kind = BY_NAME.get(request.kind)
    return is_in_doubt(request) or (kind is not None and kind.advice and request.delivery == "owed")


def is_awaited(request: Request) -> bool:
    """Whether it is in doubt and may be over soon: an undo that the issuer refused may never be, and holds up none."""
    return request.outcome == "asked" or request.undo == "owed"


def may_stand(request: Request) -> bool:
    """Whether it is under way, and not on its way out: it may be in force when all is over."""
    return is_under_way(request) and (request.outcome == "asked" or request.undo not in UNDELIVERED)


def before(request: Request, others: Iterable[Request]) -> Request | None:
    """One that is under way and was asked before this one."""
    return next((each for each in others if is_under_way(each) and _place(each) < _place(request)), None)


def after(request: Request, others: Iterable[Request]) -> Request | None:
    """One that is under way and was asked after this one."""
    return next((each for each in others if is_under_way(each) and _place(each) > _place(request)), None)


def _place(request: Request) -> tuple[int, str]:
    # Of one batch all have the same instant, and one log: its numbers say what came first.
    return request.at_us, request.rrn
