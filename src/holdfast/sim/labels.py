"""What was done in a world outside our control, written down by whoever did it: the only source of expected findings.

A label names what it is about and its cause. A finding about something that bears no label is a complaint, and so is a
label that calls for a finding and has none. Where parties differ, the label permits it for what it names alone.

What a label is about: a trace key; a record (`record_of` it, the same without its MTI, as uploads name it); a batch;
an advice as the merchant knows it (terminal and amount); or a terminal's id.
"""

from typing import NamedTuple

TAKEN_BACK = "taken back"
"""A cashier cancelled what was approved (trace key): a receipt may have been printed, and is no proof any more."""
ADVISED = "advised"
"""A merchant told of a completion that was done already (advice); rules or the issuer may object to it."""
SETTLED_EARLY = "settled early"
"""A cashier settles the batch while this still waits to be told (trace key): the register may have it already."""
UPLOADED = "uploaded"
"""A terminal that is not ours uploads what it believes (batch): what it has forgotten is not there."""
SAID = "said in an upload"
"""It names this (record)."""
LIED = "lied about"
"""It names this (record) as it is not, or does not name it."""
BUILT_UPON = "built upon"
"""A terminal that is not ours reverses what may have been gone on from (trace key)."""
ISSUER_OBJECTS = "issuer objects"
"""An issuer that is not ours refuses to undo, or answers what it did not do (trace key)."""
ISSUER_DOUBLED = "issuer doubled"
"""It booked a copy of a question once more (trace key, and hold)."""
ISSUER_FORGOT = "issuer forgot"
"""It has lost what it approved (trace key, and hold)."""
ISSUER_AWAY = "issuer away"
"""An issuer does not answer for very long (its name)."""
DEVICE_REPLACED = "device replaced"
"""A terminal is another device from now on (terminal)."""
DEVICE_LOST = "device lost"
"""The former one is gone with what it had not delivered (terminal)."""
JOURNAL_TORN = "journal torn"
"""The last entries of a journal are gone after a power cut (terminal, once for each; and the trace keys of these)."""
WRONG_PIN, RIGHT_PIN = "wrong PIN", "right PIN"
"""A cardholder entered it (trace key)."""

OF_THE_ISSUER = (ISSUER_OBJECTS, ISSUER_DOUBLED, ISSUER_FORGOT)


class Label(NamedTuple):
    """One thing that was done."""

    about: str
    cause: str


class Labels:
    """All labels of one world."""

    def __init__(self) -> None:
        self._times: dict[Label, int] = {}

    def put(self, about: str, cause: str) -> None:
        """This was done, once more."""
        label = Label(about, cause)
        self._times[label] = self._times.get(label, 0) + 1

    def has(self, about: str, *causes: str) -> bool:
        """Whether one of these was done to it."""
        return any(Label(about, cause) in self._times for cause in causes)

    def times(self, about: str, cause: str) -> int:
        """How often this was done to it."""
        return self._times.get(Label(about, cause), 0)

    def of_the_issuer(self, *about: str) -> bool:
        """Whether an issuer that is not ours made a difference about one of these: a request, or its hold."""
        return any(self.has(each, *OF_THE_ISSUER) for each in about)

    def about(self, cause: str) -> frozenset[str]:
        """All that it was done to."""
        return frozenset(label.about for label in self._times if label.cause == cause)


def record_of(trace_key: str) -> str:
    """A request as an upload names it: terminal, batch and trace number."""
    return trace_key.rpartition("/")[0]


def advice_of(terminal_id: str, amount_minor: int) -> str:
    """An advice as the merchant knows it."""
    return f"{terminal_id} {amount_minor}"
