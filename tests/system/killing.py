"""Kill -9 of anything, at random moments, while terminals work; then everybody must agree on everything.

    script/killing [--kills N] [--seed S] [--terminals N] [--workers N]

What is killed comes back by itself: the supervisor starts its processes again, and where `up` itself was killed the
next `up` takes over. A terminal that is killed is switched on again. In the end every terminal is synced, and what it
believes is held against the register, the register against the issuer's accounts, and all of them against what the
cashiers were told.
"""

import argparse
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

from tests.system.agreement import Evidence, gathered, problems_of
from tests.system.busy_terminal import told_file
from tests.system.installation import Installation, wait_until
from tests.system.till import Line, Till

SERVERS = ("up", "acquirer-1", "issuer", "postmaster")
TERMINAL = "terminal"

CARDS = 6
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
    kinds: Counter[str]
    beliefs: Counter[str]
    batches: Counter[str]
    findings: Counter[str]
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
        yield f"approved: {dict(sorted(self.kinds.items()))}"
        yield f"terminals believe: {dict(sorted(self.beliefs.items()))}; the register has {self.requests} requests"
        yield f"batches: {dict(sorted(self.batches.items()))}; findings: {dict(sorted(self.findings.items()))}"
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


def settled(town: Town) -> tuple[Evidence, float]:
    """Sync every terminal and wait until nothing is in doubt; what everybody says then, and how long that took."""
    installation, began_s = town.installation, time.monotonic()
    for terminal_id in town.terminals:
        installation.terminal(terminal_id, "sync")
    wait_until("nothing is in doubt", lambda: is_quiet(installation), QUIET_S_MAX)
    for terminal_id in town.terminals:
        installation.terminal(terminal_id, "settle")
    quiet_s = time.monotonic() - began_s
    told = {terminal_id: town.told(terminal_id) for terminal_id in town.terminals}
    return gathered(installation, town.cards, told), quiet_s


def is_quiet(installation: Installation) -> bool:
    """Whether nothing is in doubt, and the issuer knows all that it must be told."""
    status = installation.run("status", "--json").json
    return status["in_doubt"] == 0 and not any(status["undelivered"].values())


def report_of(town: Town, evidence: Evidence, quiet_s: float) -> Report:
    """What happened, and what is wrong with it."""
    told = Counter(line["outcome"] for counter in evidence.counters for line in counter.told)
    sales = [sale for counter in evidence.counters for sale in counter.sales]
    kinds = Counter(sale.kind for sale in sales if sale.amount_minor and sale.outcome == "approved")
    beliefs = Counter(sale.outcome for sale in sales if sale.amount_minor and not sale.reverses)
    batches = Counter(row["state"] for row in evidence.batches if row["terminal_id"] in town.terminals)
    findings = Counter(str(fact["reason"]) for fact in evidence.facts.values() if fact["kind"] == "finding")
    problems = list(problems_of(evidence))
    return Report(town.kills, told, kinds, beliefs, batches, findings, len(evidence.rows), quiet_s, problems)


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
            report = report_of(town, *settled(town))
        finally:
            installation.end()
    sys.stdout.write("".join(f"{line}\n" for line in report.lines()))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
