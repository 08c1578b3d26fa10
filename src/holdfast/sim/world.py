"""One seed, one world: the real parties and the real engine; everything around them is made up.

Ten terminals (two of them standard ones), each with a store of its own; two acquirer engines on one database, over
which the terminals are spread and to either of which they reconnect; one issuer engine with two issuers' accounts.

    begin    machines start, doors are told merchants and accounts; nothing goes wrong yet
    traffic  cashiers serve guests for so many minutes, in a world as hostile as the seed has drawn
    heal     nothing goes wrong any more: within an hour everything in doubt must be resolved
    return   in some worlds guests come back days later, some before their hold ends and some after: once more traffic,
             shorter and as hostile, and once more it heals
    quiet    forty days of nothing, skipped: holds expire
"""

from functools import partial
from random import Random
from typing import NamedTuple

from holdfast.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, business_date, local_date
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACQUIRER_LOGS, ISSUER_LOGS
from holdfast.parties.settings import ACQUIRER
from holdfast.parties.step import Command
from holdfast.sim import plan as plans
from holdfast.sim.auditor import Auditor
from holdfast.sim.devices import Workshop
from holdfast.sim.facts import audit_asked, audit_secrets
from holdfast.sim.faults import CUT_OVER, NEW_YEAR, OVERTAKEN, Faults, Hostility
from holdfast.sim.foreign import ForeignNetwork
from holdfast.sim.guests import Notebook
from holdfast.sim.keys import SimKeys
from holdfast.sim.labels import Labels
from holdfast.sim.line import Line, nobody
from holdfast.sim.machine import EVERY_POINT, KEEP_US, Machine, Role, Stage
from holdfast.sim.mishaps import Mishaps
from holdfast.sim.network import Network
from holdfast.sim.plan import FOREIGN_ISSUER, ISSUERS, Plan, TerminalOf
from holdfast.sim.plant import HONEST, Cast
from holdfast.sim.purses import Purse
from holdfast.sim.scheduler import Scheduler
from holdfast.sim.site import Site
from holdfast.sim.standard import StandardTerminal
from holdfast.sim.tills import SYNC_S, OurTill, StandardTill, forget
from holdfast.sim.witness import Witness
from holdfast.sim.workload import Cashier, Shop
from holdfast.store.memory_database import MemoryDatabase
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from holdfast.wire.message import Message

ACQUIRER_DOWN_S = (0.5, 25.0)
BEGIN_US = 20 * SECOND_US
HEAL_US = HOUR_US
QUIET_US = 40 * DAY_US
RETURN_PART = 5
"""Of the minutes of traffic, so large a part is added when guests come back."""
ACQUIRER_INSTALLATION, ISSUER_INSTALLATION = "acquirer", "issuer"


Only = frozenset[str] | None
"""Names of guests and of strikes (`T0000003:7`, `loss:2`): nobody else comes, nothing else befalls; None: all."""


class Counts(NamedTuple):
    """What happened in a world, in numbers; of its time only the seconds of traffic count."""

    requests: int
    faults: dict[str, int]
    simulated_s: int
    trace: str
    kinds: dict[str, int]
    """Requests by kind, as they are registered."""
    approved: frozenset[str]
    """Kinds of which one was approved at least."""


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, minutes: int, cast: Cast = HONEST, only: Only = None) -> None:
        self.seed = seed
        self.minutes = minutes
        self.plan: Plan = plans.drawn(seed)
        self.scheduler = Scheduler(self.plan.start_us)
        self.complaints: list[str] = []
        self.only = only
        self.faults = Faults(Hostility.none(), f"{seed}/faults", only)
        network = Network(self.scheduler, self.faults, f"{seed}/network")
        self.labels = Labels()
        self.stage = Stage(self.scheduler, self.faults, network, str(seed), self.complain, self.labels)
        self.policy = Policy(release_after_us=self.plan.release_after_s * SECOND_US)
        self._cast = cast
        self._dice = Random(f"{seed}/world")
        self._build_hosts()
        self.witness = Witness(self.acquirers.database, self.complain, self.labels)
        self.workshop = Workshop(self.stage, cast, self.acquirers.machines)
        self._build_terminals()
        hosts = self.acquirers.machines, self.issuer.machines
        self.mishaps = Mishaps(self.stage, *hosts, self.tills, self.workshop)
        self._awake_until_us = self.plan.start_us
        self.kinds: dict[str, int] = {}
        self.approved: frozenset[str] = frozenset()
        self._reversed: set[tuple[str, str, str]] = set()

    def complain(self, what: str) -> None:
        """Something is wrong; said once."""
        if what not in self.complaints:
            self.complaints.append(what)
            self.scheduler.note(f"COMPLAINT {what}")

    # --- building -------------------------------------------------------------------------------------------------

    def _build_hosts(self) -> None:
        cast = self._cast
        self.acquirers, self.issuer = Site(self.scheduler), Site(self.scheduler)
        acquiring = Role(cast.acquirer(self.policy), cast.acquirer_engine, ACQUIRER_LOGS, ACQUIRER_DOWN_S, EVERY_POINT)
        issuing = Role(cast.issuer(self.policy), cast.issuer_engine, ISSUER_LOGS, ACQUIRER_DOWN_S)
        for name in ("acquirer-1", "acquirer-2"):
            machine = Machine(self.stage, self.acquirers, name, acquiring, self._keys(ACQUIRER_INSTALLATION, name))
            machine.overheard = self._overhear
        Machine(self.stage, self.issuer, "issuer", issuing, self._keys(ISSUER_INSTALLATION, "issuer"))
        zone_mac = plans.zone_key(FOREIGN_ISSUER, "mac")
        keys = self._keys(ISSUER_INSTALLATION, "network")
        network = ForeignNetwork(self.scheduler, self.faults, self.labels, keys, zone_mac)
        for acquirer in self.acquirers.machines:
            for issuer_id in ISSUERS:
                stands = network.stand_at if issuer_id == FOREIGN_ISSUER else nobody
                Line(self.stage, acquirer, self.issuer.machines, ASCII_1987, issuer_id, ACQUIRER, stands)

    def _build_terminals(self) -> None:
        self.tills: list[OurTill | StandardTill] = []
        self.cashiers: list[Cashier] = []
        purse = Purse(self.plan.cards)
        shops = {terminal.merchant_id: Shop(Notebook(), purse, []) for terminal in self.plan.terminals}
        for terminal in self.plan.terminals:
            till = self._our_till(terminal) if terminal.ours else self._standard_till(terminal)
            cashier = Cashier(self.stage, till, shops[terminal.merchant_id], self.only)
            device = till.machine if isinstance(till, OurTill) else till.terminal
            device.on_crash.append(cashier.power_failed)
            self.tills.append(till)
            self.cashiers.append(cashier)

    def _our_till(self, terminal: TerminalOf) -> OurTill:
        terminal_id = terminal.terminal_id
        machine = self.workshop.device(terminal_id)
        return OurTill(self.stage, machine, terminal.merchant_id, self.witness.receipt)

    def _standard_till(self, terminal: TerminalOf) -> StandardTill:
        terminal_id = terminal.terminal_id
        tmk, keys = plans.terminal_master_key(terminal_id), self._keys(terminal_id, terminal_id)
        dice = Random(f"{self.seed}/{terminal_id}/device")
        device = StandardTerminal(self.stage, terminal, tmk, keys, dice)
        Line(self.stage, device, self.acquirers.machines, UNIONPAY, ACQUIRER, "")
        return StandardTill(device, self.labels, self.witness.receipt)

    def _keys(self, installation: str, machine: str) -> SimKeys:
        return SimKeys(installation, f"{self.seed}/{machine}")

    # --- the story ------------------------------------------------------------------------------------------------

    def run(self) -> Counts:
        """All phases; complaints are in `complaints` afterwards, those of the auditor apart. Raises Stuck."""
        self._begin()
        self._traffic(self.minutes)
        if self.plan.returns_after_days and not self.complaints:
            self._run_for(self.plan.returns_after_days * DAY_US)
            self._stir()
            self._traffic(max(1, self.minutes // RETURN_PART))
        quiet = not self.complaints
        if quiet:
            # What is open now would go on for all the forty days.
            self._run_for(QUIET_US)
            self.witness.quiet(self._databases)
        for machine in self.machines:
            machine.keep()
        self.audit(quiet)
        return self.counts()

    def _traffic(self, minutes: int) -> None:
        """Guests come for so long; then everything heals, and must be resolved."""
        began_us = self.scheduler.now_us
        self.faults.hostility = self.plan.hostility
        for cashier in self.cashiers:
            cashier.open_shop(minutes)
        self.mishaps.begin()
        self._run_for(minutes * MINUTE_US)
        self.mishaps.end()
        self.faults.heal()
        self._note_calendar(began_us)
        self._run_for(HEAL_US)
        self.witness.healed(self.tills, self.issuer.database)

    def _note_calendar(self, began_us: int) -> None:
        now_us = self.scheduler.now_us
        if business_date(began_us) != business_date(now_us):
            self.faults.count(CUT_OVER)
        if local_date(self.plan.start_us).year != local_date(now_us).year:
            self.faults.count(NEW_YEAR)

    def counts(self) -> Counts:
        """What happened so far, in numbers."""
        requests = sum(till.requests for till in self.tills)
        faults, trace = dict(self.faults.counts), self.scheduler.trace()
        return Counts(requests, faults, self.minutes * 60, trace, self.kinds, self.approved)

    def audit(self, quiet: bool = True) -> None:
        """Judge everything that was recorded; complaints are added to `complaints`. After the quiet no hold stands."""
        register, book = self.acquirers.database, self.issuer.database
        auditor = Auditor(register, book, self.plan, self.complain, self.labels)
        auditor.hosts()
        if quiet:
            auditor.ended()
        self.kinds, self.approved = auditor.kinds()
        auditor.receipts(self.witness.receipts)
        for till in self.tills:
            if isinstance(till, OurTill):
                auditor.terminal(till.name, till.database, till.machine.name, till.former)
            else:
                auditor.standard(till.terminal)
        for cashier in self.cashiers:
            audit_asked(cashier.asked, auditor.register, self.plan, self.complain)
        former = {each.name: each.database for till in self._ours for each in till.former}
        audit_secrets({**self._databases, **former}, self.plan, self.complain)

    @property
    def guests(self) -> list[str]:
        """The names of all guests who came."""
        return [name for cashier in self.cashiers for name in cashier.guests]

    @property
    def _databases(self) -> dict[str, MemoryDatabase]:
        hosts = {"acquirer": self.acquirers.database, "issuer": self.issuer.database}
        return hosts | {till.name: till.database for till in self._ours}

    @property
    def _ours(self) -> list[OurTill]:
        return [till for till in self.tills if isinstance(till, OurTill)]

    @property
    def machines(self) -> list[Machine]:
        """Every machine that runs an engine."""
        return [*self.acquirers.machines, *self.issuer.machines, *(till.machine for till in self._ours)]

    def _run_for(self, span_us: int) -> None:
        self.scheduler.run_until(self.scheduler.now_us + span_us)

    def _begin(self) -> None:
        for machine in self.machines:
            machine.start()
        self._run_for(SECOND_US)
        self._tell_door(self.acquirers.machines[0], "import", plans.acquirer_import(self.plan))
        self._tell_door(self.issuer.machines[0], "open-accounts", plans.issuer_import(self.plan))
        for till in self.tills:
            if isinstance(till, StandardTill):
                for tell in till.terminal.on_ready:
                    tell()
        self._stir()

    def _stir(self) -> None:
        """Whatever goes on by itself while shops are open begins."""
        self._awake_until_us = self.scheduler.now_us + BEGIN_US + self.minutes * MINUTE_US + HEAL_US // 4
        for till in self.tills:
            self._sync_again(till)
        self._keep()
        self._run_for(BEGIN_US)

    def _tell_door(self, machine: Machine, name: str, arguments: dict[str, object]) -> None:
        caller = machine.links.add_caller(forget)
        machine.engine.offer(Command(caller, name, arguments, "admin"))
        machine.wake()

    def _keep(self) -> None:
        """Leases, checkpoints, changed reference tables; a quiet world sleeps."""
        if self.scheduler.now_us < self._awake_until_us:
            for machine in (*self.acquirers.machines, *self.issuer.machines):
                machine.keep()
            self.scheduler.after(KEEP_US, self._keep)

    def _sync(self, till: OurTill | StandardTill) -> None:
        till.sync()
        self._sync_again(till)

    def _sync_again(self, till: OurTill | StandardTill) -> None:
        if self.scheduler.now_us < self._awake_until_us or not till.clean:
            delay_us = int(self._dice.uniform(*SYNC_S) * SECOND_US)
            self.scheduler.after(delay_us, partial(self._sync, till))

    def _overhear(self, message: Message) -> None:
        """Count the requests that arrive after their own reversal."""
        key = message.get(41), message.get(60)[2:8], message.get(11)
        if message.mti == "0400":
            self._reversed.add(key)
        elif message.mti in ("0100", "0200") and key in self._reversed:
            self.faults.count(OVERTAKEN)
