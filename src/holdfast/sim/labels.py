"""What was done in a world outside our control, written down by whoever did it: the only source of expected findings.

A label names what it is about (a trace key, or a terminal's id) and its cause. A finding about something that bears no
label is a complaint, and so is a label that calls for a finding and has none.
"""

from typing import NamedTuple

TAKEN_BACK = "taken back"
"""A cashier cancelled what was approved: a receipt may have been printed, and is no proof any more."""
ADVISED = "advised"
"""A merchant told of a completion that was done already; rules or the issuer may object to it."""
UPLOADED = "uploaded otherwise"
"""A terminal uploads what is not so, or leaves out what is."""
BUILT_UPON = "built upon"
"""A terminal that is not ours reverses what it has gone on from."""
ISSUER_OBJECTS = "issuer objects"
"""An issuer that is not ours refuses to undo, or answers what it did not do."""
ISSUER_DOUBLED = "issuer doubled"
ISSUER_FORGOT = "issuer forgot"
DEVICE_REPLACED = "device replaced"
DEVICE_LOST = "device lost"
JOURNAL_TORN = "journal torn"


class Label(NamedTuple):
    """One thing that was done."""

    about: str
    cause: str


class Labels:
    """All labels of one world."""

    def __init__(self) -> None:
        self._all: set[Label] = set()

    def put(self, about: str, cause: str) -> None:
        """This was done."""
        self._all.add(Label(about, cause))

    def has(self, about: str, *causes: str) -> bool:
        """Whether one of these was done to it."""
        return any(Label(about, cause) in self._all for cause in causes)

    def about(self, cause: str) -> frozenset[str]:
        """All that it was done to."""
        return frozenset(label.about for label in self._all if label.cause == cause)
