"""What must wait for what, where clocks say nothing."""

from typing import Any

from holdfast.domain.records import Request
from holdfast.parties import underway


def request(number: int, terminal: str, **fields: Any) -> Request:
    """A request about one hold, asked by entry `number` at an instant that others share."""
    blank = Request(*([""] * len(Request._fields)))  # type: ignore[arg-type]
    return blank._replace(trace_key=f"{terminal}/000001/000001/0100", at_us=7, rrn=f"B{number:011d}", **fields)


def test_of_one_batch_what_was_asked_first_comes_first_whatever_its_key() -> None:
    asked = request(44, "T0000010", kind="increment", outcome="asked")
    told = request(46, "T0000004", kind="completion-advice", outcome="approved", delivery="owed")
    assert underway.before(told, [asked]) is asked
    assert underway.before(asked, [told]) is None
    assert underway.after(asked, [told]) is told


def test_an_undo_that_the_issuer_refused_holds_up_no_other() -> None:
    refused = request(50, "T0000001", kind="completion", outcome="declined", undo="objected")
    assert underway.is_under_way(refused)
    assert not underway.is_awaited(refused)
