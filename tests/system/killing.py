"""Kill -9 of anything, at random moments, while terminals work; then everybody must agree on everything.

    script/killing [--kills N] [--seed S] [--terminals N] [--workers N]

What is killed comes back by itself: the supervisor starts its processes again, and where `up` itself was killed the
next `up` takes over. A terminal that is killed is switched on again. In the end every terminal is synced, and what it
believes is held against the register, the register against the issuer's accounts, and all of them against what the
cashiers were told.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from holdfast.domain.journal import rebuild, without_secrets
from holdfast.domain.records import ACCOUNTS, DEVICES, SALES, Account, Device, Sale
from holdfast.edges.open_reader import installation as installation_of
from holdfast.edges.open_reader import open_reader
from holdfast.ids import mask_pan
from holdfast.register.canonical import decode_strict
from holdfast.runtime.config import ISSUER
from holdfast.runtime.pos import file_of
from holdfast.store.sqlite import SqliteReader
from tests.system.busy_terminal import told_file
from tests.system.installation import OWN_AVAILABLE_MINOR, Installation, expected, holdfast, wait_until
from tests.system.till import Line, Till

SERVERS = ("up", "acquirer-1", "issuer", "postmaster")
TERMINAL = "terminal"

CARDS = 4
PROBE_ANSWER_S = 1.5
PROBE_PAUSE_S = 0.02
RECOVERY_S_MAX = 60.0
QUIET_S_MAX = 90.0
"""Reversals towards the issuer are repeated after 5, 10, 20 s …"""


class Kill(NamedTuple):
    """What was killed together, and how long it took until a new terminal's request was approved."""

    victims: tuple[str, ...]
    recovery_s: float


class Report(NamedTuple):
    """What happened, and what is wrong with it."""

    kills: list[Kill]
    told: Counter[str]
    beliefs: Counter[str]
    requests: int
    quiet_s: float
    problems: list[str]

    def lines(self) -> Iterator[str]:
        """For people."""
        for victims in sorted({kill.victims for kill in self.kills}):
            took = [kill.recovery_s for kill in self.kills if kill.victims == victims]
            times = f"first approval after {min(took):.2f} to {max(took):.2f} s"
            yield f"killed {' and '.join(victims)}: {len(took)} times, {times}"
        yield f"cashiers were told: {dict(sorted(self.told.items()))}"
        yield f"terminals believe: {dict(sorted(self.beliefs.items()))}; the register has {self.requests} requests"
        yield f"all in agreement {self.quiet_s:.1f} s after the last terminal stopped; problems: {len(self.problems)}"
        yield from self.problems


# --- at work and killed -------------------------------------------------------------------------------------------


class Town:
    """An installation, terminals at work, and a terminal that finds out when the next request is approved."""

    def __init__(self, installation: Installation, seed: int, terminals: int) -> None:
        self.installation = installation
        self.cards = [installation.new_card() for _ in range(CARDS)]
        self.terminals = [installation.new_terminal() for _ in range(terminals)]
        self.kills: list[Kill] = []
        self._dice = random.Random(seed)
        self._busy: dict[str, subprocess.Popen[bytes]] = {}
        self._probe = Till.signed_on(installation)
        self._probe.line.socket.close()
        self._probe_card = installation.new_card()

    def switch_on(self, terminal_id: str) -> None:
        """A terminal's process; each start throws other dice."""
        installation = self.installation
        folder, seed = str(installation.tills), str(self._dice.randrange(1 << 30))
        words = ["-m", "tests.system.busy_terminal", folder, terminal_id, installation.at, seed, *self.cards]
        self._busy[terminal_id] = subprocess.Popen([sys.executable, *words])

    def open(self) -> None:
        """All terminals at work."""
        self.installation.tills.mkdir(mode=0o700, exist_ok=True)
        for terminal_id in self.terminals:
            self.switch_on(terminal_id)
        wait_until("all terminals work", lambda: all(self.told(terminal_id) for terminal_id in self.terminals), 30.0)

    def close(self) -> None:
        """All terminals are switched off, wherever they stand."""
        for terminal in self._busy.values():
            terminal.terminate()
        for terminal in self._busy.values():
            terminal.wait(30)

    def kill(self, *victims: str) -> None:
        """All of them, one moment between them; and see how long it takes until a request is approved again."""
        killed_s = time.monotonic()
        for victim in victims:
            self._kill(victim)
            time.sleep(self._dice.choice((0.0, 0.05, 0.5)) if len(victims) > 1 else 0.0)
        self.kills.append(Kill(victims, time.monotonic() - killed_s + self.approved_after_s()))

    def approved_after_s(self) -> float:
        """How long it takes from now on until a request is approved."""
        began_s = time.monotonic()
        while time.monotonic() < began_s + RECOVERY_S_MAX:
            with contextlib.suppress(OSError, EOFError), Line(self.installation.at) as self._probe.line:
                self._probe.line.socket.settimeout(PROBE_ANSWER_S)
                if self._probe.code(self._probe.pre_auth(self._probe_card, 1)) == "00":
                    return time.monotonic() - began_s
            time.sleep(PROBE_PAUSE_S)
        raise AssertionError(f"nothing was approved for {RECOVERY_S_MAX:.0f} s:\n{self.installation.said()}")

    def work(self, seconds_max: float) -> None:
        """Let some time pass."""
        time.sleep(self._dice.uniform(0.0, seconds_max))

    def choose(self) -> tuple[str, ...]:
        """Whom to kill: mostly one, sometimes two together."""
        everybody = (*SERVERS, TERMINAL)
        return tuple(self._dice.sample(everybody, 1 if self._dice.random() < 0.6 else 2))

    def _kill(self, victim: str) -> None:
        if victim == TERMINAL:
            terminal_id = self._dice.choice(self.terminals)
            self._busy[terminal_id].kill()
            self._busy[terminal_id].wait()
            self.switch_on(terminal_id)
        elif victim == "up":
            self.installation.kill()
            self.installation.launch()
        else:
            # It may be dead already, of what was killed a moment before.
            pid = self.installation.pid_of(victim)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL) if pid else None

    def told(self, terminal_id: str) -> list[dict[str, Any]]:
        """What a cashier was told; a line that was cut off by a kill was not."""
        file = told_file(self.installation.tills, terminal_id)
        text = file.read_bytes() if file.exists() else b""
        return [orjson.loads(line) for line in text.split(b"\n")[:-1] if line.endswith(b"}")]


# --- afterwards ---------------------------------------------------------------------------------------------------


def settled(town: Town) -> float:
    """Sync every terminal and wait until nothing is in doubt; how long that took."""
    installation, began_s = town.installation, time.monotonic()
    for terminal_id in town.terminals:
        installation.terminal(terminal_id, "sync")
    wait_until("nothing is in doubt", lambda: installation.run("status", "--json").json["in_doubt"] == 0, QUIET_S_MAX)
    return time.monotonic() - began_s


async def journal_of(installation: Installation, terminal_id: str) -> tuple[Device, list[Sale], list[dict[str, Any]]]:
    """A terminal's row, its requests, and the entries of its journal."""
    reader = SqliteReader(file_of(installation.tills, terminal_id))
    try:
        [head] = await reader.logs()
        entries = await reader.entries(head.log, 1, head.frontier.size)
        device: Device | None = await reader.row(DEVICES, terminal_id)
        assert device is not None
        return device, await reader.select(SALES, {}), [decode_strict(entry.body) for entry in entries]
    finally:
        await reader.close()


async def accounts_of(installation: Installation) -> dict[str, Account]:
    """The issuer's accounts by masked card."""
    async with open_reader(installation_of(installation.data, "", None).dsns, ISSUER) as reader:
        return {account.card: account for account in await reader.select(ACCOUNTS, {}) if account.card}


def audited(town: Town) -> Report:
    """Everything that two parties could disagree on."""
    installation, quiet_s = town.installation, settled(town)
    rows = {row["trace_key"]: row for row in installation.register()}
    facts = {fact["entry"]: fact for fact in installation.register("--entries")}
    told: Counter[str] = Counter()
    beliefs: Counter[str] = Counter()
    problems: list[str] = []
    for terminal_id in town.terminals:
        device, sales, entries = asyncio.run(journal_of(installation, terminal_id))
        problems += chain_problems(device, sales, entries)
        problems += belief_problems(device, sales, rows)
        problems += told_problems(town.told(terminal_id), rows, facts)
        told.update(line["outcome"] for line in town.told(terminal_id))
        beliefs.update(sale.outcome for sale in sales if sale.amount_minor and not sale.reverses)
    problems += [f"{key} is still {row['outcome']}" for key, row in rows.items() if row["outcome"] == "unknown"]
    problems += money_problems(town.cards, rows, asyncio.run(accounts_of(installation)))
    verified = expected(holdfast("register", "verify", "--json", "--data", installation.data), None, ("verify",))
    problems += [str(problem) for problem in verified.json["problems"]]
    if (verified.code, verified.json["ok"]) != (0, True):
        problems.append(f"register verify ended {verified.code}")
    return Report(town.kills, told, beliefs, len(rows), quiet_s, problems)


def chain_problems(device: Device, sales: list[Sale], entries: list[dict[str, Any]]) -> Iterator[str]:
    """A journal without gaps, from which the terminal's rows follow."""
    if [entry["number"] for entry in entries] != list(range(1, len(entries) + 1)):
        yield f"{device.terminal_id}: its journal has gaps"
    again, rows = rebuild(entries)
    if again != without_secrets(device) or rows != {sale.trace_key: without_secrets(sale) for sale in sales}:
        yield f"{device.terminal_id}: its rows do not follow from its journal"


def belief_problems(device: Device, sales: list[Sale], rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What the terminal believes is what the register says, both ways."""
    if device.in_flight or device.reversal:
        yield f"{device.terminal_id} is not done: {device.in_flight or device.reversal}"
    own = {key: row for key, row in rows.items() if row["terminal_id"] == device.terminal_id}
    known = {sale.trace_key: sale for sale in sales if sale.amount_minor}
    yield from (f"{key}: the register has it, the terminal does not" for key in own if key not in known)
    for key, sale in known.items():
        registered = own[key]["outcome"] if key in own else None
        if sale.outcome not in ("approved", "declined", "reversed"):
            yield f"{key}: the terminal does not know what became of it: {sale.outcome}"
        if (sale.outcome == "approved") != (registered == "approved"):
            yield f"{key}: the terminal believes {sale.outcome}, the register says {registered}"
        if sale.outcome == "approved" and sale.reverses is None and sale.amount_minor != own[key]["amount"]:
            yield f"{key}: amounts differ"


def told_problems(
    told: list[dict[str, Any]], rows: dict[str, dict[str, Any]], facts: dict[str, dict[str, Any]]
) -> Iterator[str]:
    """Who was told "approved" has a register entry, and it is in force."""
    for line in told:
        if line["outcome"] != "approved":
            continue
        fact, row = facts.get(line["register_entry"]), rows.get(line["trace_key"])
        if fact is None or fact["trace_key"] != line["trace_key"] or fact["outcome"] != "approved":
            yield f"{line['trace_key']}: shown as approved with {line['register_entry']}, which says {fact}"
        if row is None or (row["outcome"], row["amount"]) != ("approved", line["amount"]):
            yield f"{line['trace_key']}: shown as approved, and the register says {row and row['outcome']}"


def money_problems(cards: list[str], rows: dict[str, dict[str, Any]], accounts: dict[str, Account]) -> Iterator[str]:
    """Balances follow from what the register has in force: that is this fold, and none of ours."""
    for pan in cards:
        card = mask_pan(pan)
        own = [row for row in rows.values() if row["card"] == card and row["outcome"] == "approved"]
        holds = {row["entry"]: row["amount"] for row in own if row["kind"] == "pre-authorization"}
        done = [row for row in own if row["kind"] in ("completion", "void")]
        for row in done:
            if holds.pop(row["original"], None) is None:
                yield f"{row['trace_key']}: its hold {row['original']} is not in force, or was used twice"
        held_minor = sum(holds.values())
        posted_minor = sum(row["amount"] for row in done if row["kind"] == "completion")
        account = accounts[card]
        expected_minor = (OWN_AVAILABLE_MINOR - posted_minor - held_minor, held_minor)
        if (account.available_minor, account.held_minor) != expected_minor:
            yield f"{card}: available and held are {account.available_minor, account.held_minor}, not {expected_minor}"


# --- from the command line ----------------------------------------------------------------------------------------


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="script/killing", description="Kill anything, then audit everything.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--terminals", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-killing-") as folder:
        installation = Installation(Path(folder), "--sample", "--workers", chosen.workers)
        try:
            installation.start()
            installation.import_own()
            town = Town(installation, chosen.seed, chosen.terminals)
            town.open()
            for number in range(1, chosen.kills + 1):
                town.work(2.0)
                town.kill(*town.choose())
                sys.stdout.write(
                    f"{number}: {' and '.join(town.kills[-1].victims)} {town.kills[-1].recovery_s:.2f} s\n"
                )
            town.close()
            report = audited(town)
        finally:
            installation.end()
    sys.stdout.write("".join(f"{line}\n" for line in report.lines()))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
