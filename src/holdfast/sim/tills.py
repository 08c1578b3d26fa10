"""What stands before a cashier: one of our terminals on its machine, or a standard one."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.parties.entered import KINDS
from holdfast.parties.step import Command
from holdfast.sim.habits import Tell
from holdfast.sim.labels import ADVISED, SETTLED_EARLY, TAKEN_BACK, Labels, advice_of
from holdfast.sim.machine import Machine, Stage
from holdfast.sim.own_journal import Former
from holdfast.sim.plan import merchant_names, terminal_master_key
from holdfast.sim.standard import StandardTerminal
from holdfast.sim.standard_messages import refusal

OPERATOR, ADMINISTRATOR, SYSTEM = "01", "99", "system"
DOWNLOAD = "1"
"""The notice by which an acquirer asks that parameters be downloaded."""
SYNC_S = (5.0, 12.0)

Receipt = Callable[[str, Mapping[str, Any]], None]
"""Told the terminal's name and what a cashier reads on a receipt, at the moment it is printed."""


class OurTill:
    """A terminal of ours: commands go to its engine, and what is owed is synced while it is idle."""

    def __init__(self, stage: Stage, machine: Machine, merchant_id: str, printed: Receipt) -> None:
        self.name = machine.name
        self.machine = machine
        self.database = machine.site.database
        self._stage = stage
        self._merchant_id = merchant_id
        self._printed = printed
        self.former: list[Former] = []
        """The devices that stood here before."""

    def command(self, name: str, arguments: Mapping[str, Any], tell: Tell, operator: str = OPERATOR) -> None:
        """See `Till.command`."""
        if not self.machine.ready:
            tell(refusal("no power"))
            return
        note_advice(self._stage.labels, self.name, name, arguments)
        for sale in self._owed if name == "settle" else ():
            self._stage.labels.put(sale.trace_key, SETTLED_EARLY)
        links = self.machine.links
        callers: list[int] = []

        def told(value: Mapping[str, Any]) -> None:
            links.drop(callers[0])
            self._stage.scheduler.note(f"{self.name} told {value['outcome']} {value.get('response_code')}")
            tell(self._as_read(name, value))

        callers.append(links.add_caller(told))
        self.machine.engine.offer(Command(callers[0], name, arguments, operator))
        self.machine.wake()

    def cancel(self) -> bool:
        """A request that is under way cannot be called back: the terminal says so."""
        device = self.device
        if not self.machine.ready or device is None or not device.in_flight:
            return False
        self.command("reverse", {"trace_key": device.in_flight}, forget)
        return True

    def take_back(self, told: Mapping[str, Any]) -> None:
        """It is undone as long as it is the last one; until then nobody has the receipt in hand."""
        if told["outcome"] == "approved":
            self._stage.labels.put(told["trace_key"], TAKEN_BACK)
            self.command("reverse", {"trace_key": told["trace_key"]}, forget)

    def _as_read(self, name: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The receipt: the outcome, and the date that the slip shows."""
        sale = self.sale(str(value.get("trace_key", "")))
        if sale is None or (name not in KINDS and name != "repeat"):
            return value
        if value["outcome"] == "approved":
            self._printed(self.name, value)
        return {**value, "date": sale.local_date[5:7] + sale.local_date[8:10]}

    def sale(self, trace_key: str) -> Sale | None:
        """What the terminal has in its file."""
        row: Sale | None = self.database.table(SALES).rows.get(trace_key)
        return row

    def take_away(self, lost: bool) -> None:
        """The device is gone, and its journal with it when it is lost."""
        self.former.append(Former(self.database, self.machine.name, lost))
        self.machine.retire()

    def put_up(self, machine: Machine) -> None:
        """Another device stands here from now on."""
        machine.on_crash.append(self.machine.on_crash[-1])
        self.machine, self.database = machine, machine.site.database

    @property
    def device(self) -> Device | None:
        """The terminal's own row."""
        row: Device | None = self.database.table(DEVICES).rows.get(self.name)
        return row

    @property
    def clean(self) -> bool:
        """Whether nothing is open and nothing owed."""
        device = self.device
        if device is None or device.in_flight or device.reversal or device.settling or device.mending:
            return False
        return not self._owed

    @property
    def _owed(self) -> list[Sale]:
        """What is told until it is answered."""
        return [sale for sale in self.database.table(SALES).rows.values() if sale.delivery]

    @property
    def powered(self) -> bool:
        """Whether it runs."""
        return self.machine.ready

    def power_off(self) -> None:
        """It is dark at once, and runs again after a while."""
        self.machine.crash()

    @property
    def requests(self) -> int:
        """Business requests that were asked."""
        databases = [self.database, *(former.database for former in self.former)]
        return sum(bool(sale.batch) for each in databases for sale in each.table(SALES).rows.values())

    def sync(self) -> None:
        """What a terminal's driver does when nobody asks anything: load it, sign on."""
        device = self.device
        if device is None:
            name, name_en = merchant_names(self._merchant_id)
            tmk = b"tmk:" + terminal_master_key(self.name)
            named = {"merchant_name": name, "merchant_name_en": name_en, "tmk": tmk}
            self.command("load", {"terminal_id": self.name, "merchant_id": self._merchant_id, **named}, forget)
        elif not device.signed_on and not device.in_flight:
            self.command("sign-on", {}, forget)
        elif device.mending and not device.in_flight:
            self.command("rebuild", {}, forget, SYSTEM)
        elif device.settling and not device.in_flight:
            self.command("settle", {}, forget)
        elif DOWNLOAD in device.notices and not device.in_flight:
            self.command("download", {}, forget, ADMINISTRATOR)


class StandardTill:
    """A standard terminal."""

    def __init__(self, terminal: StandardTerminal, labels: Labels, printed: Receipt) -> None:
        self.name = terminal.name
        self.terminal = terminal
        self._labels = labels
        self._printed = printed

    def command(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> None:
        """See `Till.command`."""
        note_advice(self._labels, self.name, name, arguments)
        self.terminal.command(name, arguments, partial(self._told, tell))

    def _told(self, tell: Tell, value: Mapping[str, Any]) -> None:
        if value["outcome"] == "approved" and value.get("trace_key"):
            self._printed(self.name, value)
        tell(value)

    def cancel(self) -> bool:
        """The request that is under way is reversed."""
        return self.terminal.cancel()

    def take_back(self, told: Mapping[str, Any]) -> None:
        """What was approved is approved: it can be voided."""

    @property
    def clean(self) -> bool:
        """Whether nothing is open and nothing owed."""
        return self.terminal.clean

    @property
    def powered(self) -> bool:
        """Whether it runs."""
        return self.terminal.ready

    def power_off(self) -> None:
        """It is dark at once, and runs again after a while."""
        self.terminal.power_off()

    @property
    def requests(self) -> int:
        """Business requests that went out."""
        return self.terminal.requests

    def sync(self) -> None:
        """Deliver what is owed."""
        self.terminal.sync()


def note_advice(labels: Labels, terminal_id: str, name: str, arguments: Mapping[str, Any]) -> None:
    """Whoever tells of a completion that was done already does what nobody can prevent."""
    if name == "advise":
        labels.put(advice_of(terminal_id, arguments["amount_minor"]), ADVISED)


def forget(value: Mapping[str, Any]) -> None:
    """Nobody waits for the outcome."""
