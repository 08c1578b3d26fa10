"""What a caller is told whose command could not be journaled: nothing was sent, because what is sent is durable first.

Where nobody knows whether the journal holds it, it is unknown and not declined: an advice or a refund that is in the
journal after all will be told to the acquirer when the terminal starts again.
"""

from typing import Any

from holdfast.parties.entered import KINDS
from holdfast.parties.page import turned_down
from holdfast.parties.step import Command

UNWRITTEN = "unwritten"
"""Key of an outcome that says so: the journal is the reason, and not the acquirer."""

WHY = "the journal cannot be written (is the disk full?)"


def unwritten(event: Command, unsure: bool) -> dict[str, Any]:
    """The outcome of a command that the journal refused; `unsure` when it may hold it all the same."""
    told = {**turned_down(_kind(event.name), f"{WHY}, nothing was sent"), UNWRITTEN: True}
    if not unsure:
        return told
    look = "whether the journal holds it is unknown: look there before it is asked again"
    return {**told, "outcome": "unknown", "reason": f"{told['reason']}; {look}"}


def in_doubt(name: str) -> dict[str, Any]:
    """The outcome of a command that was sent, and whose answer cannot be journaled and so is not believed."""
    told = turned_down(_kind(name), f"{WHY}: what was sent stays in doubt until it can")
    return {**told, "outcome": "unknown", UNWRITTEN: True}


def _kind(name: str) -> str:
    return KINDS[name].name if name in KINDS else name
