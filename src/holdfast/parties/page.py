"""What one decision adds to the terminal's journal, with the rows that follow from it.

Rule 1: an entry is written first and the rows are made from it, never beside it. What is secret (keys, the sealed card
number) is laid on the row afterwards and stands in no entry.
Rule 2: every entry names the leaf before it, so that the journal is a chain without gaps.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.domain.journal import device_after, rows_of, sale_of
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import Entry, Write, insert, put
from holdfast.parties.settings import parameters_from
from holdfast.parties.step import Outcome, Outgoing, Step, Turn, Wait, entry_saying


class Page:
    """Entries and rows of one decision; `device` and `sales` are as they stand after the entries noted so far."""

    def __init__(self, turn: Turn, device: Device | None, *sales: Sale) -> None:
        self.turn = turn
        self.device = device
        self.sales = {sale.trace_key: sale for sale in sales}
        self._known = frozenset(self.sales)
        self._touched: dict[str, None] = {}
        self._entries: list[Entry] = []

    def note(self, kind: str, phase: str, facts: Mapping[str, Any]) -> None:
        """One more entry, and the rows after it. An entry that asks or stores gets its own number as its sequence."""
        body = {"sequence": self.turn.number, **facts, "phase": phase, "previous": self.turn.previous.hex()}
        written = self.turn.said(kind, body)
        entry = entry_saying(written)
        self.device = device_after(self.device, written)
        for key in rows_of(written):
            self.sales[key] = sale_of(self.sales.get(key), written)
            self._touched[key] = None
        self._entries.append(entry)
        self.turn = self.turn.after(entry)

    def keep_card(self, trace_key: str, pan_sealed: bytes) -> None:
        """The card number stays with the request, encrypted, for a repeat or a reversal."""
        self.sales[trace_key] = self.sales[trace_key]._replace(pan_sealed=pan_sealed)

    def keep_keys(self, tmk: bytes, pik: bytes | None, mak: bytes | None) -> None:
        """Keys of the terminal, wrapped."""
        assert self.device is not None, "keys belong to a terminal that is loaded"
        self.device = self.device._replace(tmk=tmk, pik=pik, mak=mak)

    def step(
        self, *send: Outgoing | Outcome, also: tuple[Write, ...] = (), wait: Wait | None = None, says: str | None = None
    ) -> Step:
        """The Step that writes all of it; `also` are due rows."""
        writes: list[Write] = [] if self.device is None or not self._entries else [put(DEVICES, self.device)]
        for key in self._touched:
            write = put if key in self._known else insert
            writes.append(write(SALES, self.sales[key]))
        return Step(tuple(self._entries), (*writes, *also), send, wait, says)


def believed(sale: Sale, note: str | None = None) -> dict[str, Any]:
    """What the terminal believes of a request, as its caller is told; `note` in place of the row's own reason."""
    return {
        "outcome": sale.outcome,
        "response_code": sale.response_code or "",
        "kind": sale.kind,
        "amount": sale.amount_minor,
        "currency": sale.currency,
        "card": sale.card,
        "trace_key": sale.trace_key,
        "rrn": sale.rrn,
        "authorization_code": sale.authorization_code,
        "register_entry": sale.register_entry,
        "reason": note or sale.reason,
    }


def nearly_full(device: Device | None) -> dict[str, str]:
    """What the cashier is warned of when the journal has little room left in this batch; nothing before."""
    if device is None:
        return {}
    parameters = parameters_from(device.parameters)
    if device.asked_n < parameters.journal_warning:
        return {}
    return {"warning": f"{device.asked_n} of {parameters.journal_capacity} requests of the batch are used: settle soon"}


def turned_down(kind: str, reason: str, mistake: bool = False) -> dict[str, Any]:
    """The outcome of a command that the terminal did not even begin: nothing was journaled, nothing sent.

    `mistake` says that what was entered is wrong or not enough, so that it can be entered again.
    """
    value = {"outcome": "declined", "response_code": "", "kind": kind, "reason": reason}
    return {**value, "mistake": True} if mistake else value
