"""How the acquirer books: one entry, and the rows that follow from it; what counts in a batch; and findings."""

from collections.abc import Mapping
from typing import Any

from holdfast.domain import projections
from holdfast.domain.commands import FINDING
from holdfast.domain.policy import Policy
from holdfast.domain.projections import Rows, side_of
from holdfast.domain.records import Batch, Request
from holdfast.domain.rules import DOMESTIC
from holdfast.domain.tables import Entry
from holdfast.ids import batch_of
from holdfast.parties.step import Step, Turn, entry_saying

ASK_ISSUER = "ask the issuer what it booked"
COMPLETE_OR_ASK = "complete it manually, or ask the merchant"
"""What a finding asks its owner to do."""


def book(kind: str, facts: Mapping[str, Any], known: Rows, turn: Turn) -> tuple[Step, Rows]:
    """The step that writes one entry and its rows, and these rows; `known` are the rows that were read."""
    said = turn.said(kind, facts)
    after = projections.changes(known, said)
    return Step((entry_saying(said),), projections.writes(known, after)), after


def counted(
    batch: Batch | None, trace_key: str, total: str, scheme: str | None, amount_minor: int, count: int = 1
) -> dict[str, Any] | None:
    """How a request changes the totals of its batch, as facts; `count` -1 takes it out again. None if it never counts.

    A request counts in the batch of its own key, even when that was settled long ago: the difference is carried over.
    """
    if not total:
        return None
    version = batch.version + 1 if batch else 1
    side = side_of(total, foreign=(scheme or DOMESTIC) != DOMESTIC)
    return {"id": batch_of(trace_key), "version": version, "total": side, "count": count, "amount": amount_minor}


def finding(request: Request, reason: str, next_action: str, turn: Turn, policy: Policy) -> Entry:
    """A difference about a request that somebody must look at."""
    about = {"trace_key": request.trace_key, "about": request.asked_entry}
    return raised(about, reason, next_action, turn, policy)


def raised(about: Mapping[str, Any], reason: str, next_action: str, turn: Turn, policy: Policy) -> Entry:
    """A finding: what it is about, as facts, and its owner, next action and due time."""
    facts = {
        **about,
        "phase": "raised",
        "owner": "operations",
        "next_action": next_action,
        "due": turn.now_us + policy.finding_due_us,
        "reason": reason,
        "actor": "system",
    }
    return turn.record(FINDING, facts)
