"""`holdfast demo`: a told story on a real installation in a folder of its own, then the installation stays up.

Everything is real: PostgreSQL, the processes of `holdfast up`, terminals with their journals, ISO 8583 over TCP. What
goes wrong is made to go wrong by a relay that loses bytes, and by killing a terminal's process.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import typer
from rich.console import Console

from holdfast.clock import SECOND_US, mmdd
from holdfast.domain.records import SALES
from holdfast.edges import sample
from holdfast.edges.output import person
from holdfast.edges.slip import slip
from holdfast.edges.terminal import load_sample
from holdfast.errors import HoldfastError, Unreachable
from holdfast.money import format_amount
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime.business_clock import BusinessClock, follow
from holdfast.runtime.config import Address, parse_address
from holdfast.runtime.pos import Pos
from holdfast.sim.relay import Fate, Relay

DEFAULT_FOLDER = Path("holdfast-demo")
READY_TIMEOUT_S = 120
PATIENCE_S = 4.0
"""Shorter than a real terminal's 30 s, so that the story of a lost answer does not take so long."""

HOTEL, CAR_RENTAL = "T0000001", "T0000003"


def demo(
    data: Annotated[Path, typer.Option("--data", help="Folder of the demonstration.")] = DEFAULT_FOLDER,
    leave: Annotated[bool, typer.Option("--exit", help="End after the story instead of staying up.")] = False,
) -> None:
    """Start everything on embedded defaults with sample data, tell a story on it, then stay up."""
    console = person()
    folder = data.absolute()
    console.print(f"[bold]Holdfast demo[/bold] · everything lies in {folder}\n")
    with installation(folder) as ready:
        failed = asyncio.run(Story(console, folder, parse_address(ready["pos"])).tell())
        if failed:
            raise HoldfastError(f"the story went wrong: {failed}")
        if not leave:
            stay(console, folder, ready)


@contextlib.contextmanager
def installation(folder: Path) -> Any:
    """`holdfast up --sample` as a child; its ready line; drained at the end."""
    command = [sys.executable, "-m", "holdfast", "up", "--data", str(folder / "acquirer"), "--sample", "--json"]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None, "its output is ours"
        line = child.stdout.readline()
        if not line:
            raise Unreachable(f"`{' '.join(command[1:])}` ended with code {child.wait()} before it was ready")
        yield orjson.loads(line)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(READY_TIMEOUT_S)


def stay(console: Console, folder: Path, ready: Mapping[str, Any]) -> None:
    """Say what to try, and wait for Ctrl-C."""
    console.print(f"\n[bold]Still up[/bold] at {ready['pos']}. In another window, for example:\n")
    start = f"holdfast terminal --id {HOTEL} --data {folder / 'terminals'} --host {ready['pos']}"
    for line in (
        f"{start} pre-auth --amount 500.00 --card alice",
        f"{start} journal",
        f"holdfast register list --data {folder / 'acquirer'}",
        f"holdfast status --data {folder / 'acquirer'}",
    ):
        console.print(f"  {line}", soft_wrap=True)
    console.print("\nCtrl-C ends it.")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


class Told(NamedTuple):
    """What a chapter needs to hold true for the story to go on."""

    what: str
    holds: bool


class Story:
    """The story, chapter by chapter; each says what it shows and checks that it is so."""

    def __init__(self, console: Console, folder: Path, pos: Address) -> None:
        self.console = console
        self.folder = folder
        self.acquirer = pos
        self.failed: list[str] = []

    async def tell(self) -> list[str]:
        """All chapters; -> what did not hold."""
        relay = self.relay()
        through_relay = Address("127.0.0.1", await relay.open())
        hotel = await self.terminal(HOTEL, through_relay)
        try:
            placed = await self.approval_and_lower_completion(hotel)
            await self.refusals(hotel)
            await self.lost_answer(hotel, relay)
        finally:
            await hotel.close()
            await relay.close()
        await self.power_cut()
        self.register(placed)
        return self.failed

    async def terminal(self, terminal_id: str, address: Address) -> Pos:
        """A terminal of the sample, signed on."""
        (self.folder / "terminals").mkdir(mode=0o700, exist_ok=True)
        follow(self.folder / "terminals", self.folder / "acquirer")
        settings = TerminalSettings(terminal_id, int(PATIENCE_S * SECOND_US))
        pos = await Pos.open(self.folder / "terminals", settings, lambda event, **facts: None)
        if await pos.device() is None:
            await load_sample(pos)
        await pos.connect(address)
        no = await pos.ready("01", PATIENCE_S + 5)
        self.check("the terminal is signed on", no is None)
        return pos

    # --- chapters -------------------------------------------------------------------------------------------------

    async def approval_and_lower_completion(self, hotel: Pos) -> Mapping[str, Any]:
        """A hold, and a completion for less: the rest is released."""
        self.chapter("1", "A guest checks in: 500.00 are held on alice's card, 押金预授权")
        placed = await hotel.ask("pre-auth", {"amount_minor": 500_00, "card": card("alice")}, "01")
        self.outcome(placed, "approved")
        await self.slip_of(hotel, placed)
        self.chapter("2", "Check-out: the bill is 460.50; the issuer releases the rest")
        done = await hotel.ask("complete", self.linked(placed, 460_50, "alice"), "01")
        self.outcome(done, "approved")
        return done

    async def refusals(self, hotel: Pos) -> None:
        """Over the ceiling, and with a wrong date."""
        self.chapter("3", "A bill of 575.01 on a hold of 500.00: over the ceiling of 115 %")
        placed = await hotel.ask("pre-auth", {"amount_minor": 500_00, "card": card("bob")}, "01")
        self.outcome(placed, "approved")
        over = await hotel.ask("complete", self.linked(placed, 575_01, "bob"), "01")
        self.outcome(over, "declined", "64")
        self.chapter("4", "The cashier mistypes the date. The wire says 25, not found; the register says why")
        wrong = await hotel.ask("complete", {**self.linked(placed, 480_00, "bob"), "date": "0101"}, "01")
        self.outcome(wrong, "declined", "25")
        shown = self.holdfast("register", "show", str(wrong["register_entry"]), "--json")
        self.console.print(f"   register {wrong['register_entry']}: {orjson.loads(shown)['reason']}")
        self.check("the register names the near match", "date" in shown)
        right = await hotel.ask("complete", self.linked(placed, 480_00, "bob"), "01")
        self.outcome(right, "approved")

    async def lost_answer(self, hotel: Pos, relay: Relay) -> None:
        """The answer never arrives: unknown, then undone by itself."""
        self.chapter("5", "The line loses the answer. The terminal does not guess: unknown, and a reversal is stored")
        relay.to_client = Fate.LOSE
        unknown = await hotel.ask("pre-auth", {"amount_minor": 300_00, "card": card("carol")}, "01")
        self.outcome(unknown, "unknown")
        relay.to_client = Fate.CARRY
        no = await hotel.ready("01", 30)
        sale = await hotel.reader.row(SALES, str(unknown.get("trace_key")))
        undone = no is None and sale is not None and sale.outcome == "reversed"
        self.check("the reversal was acknowledged, nothing is held", undone)
        self.console.print("   the line is back: reversed at terminal, register and issuer; carol's 300.00 are free")

    async def power_cut(self) -> None:
        """A terminal dies between send and answer, and finds out what happened when it starts again."""
        self.chapter("6", "Power cut between send and answer: the terminal's process is killed while it waits")
        relay = self.relay()
        port = await relay.open()
        await (await self.terminal(CAR_RENTAL, Address("127.0.0.1", port))).close()
        relay.to_client = Fate.LOSE
        relay.asked.clear()
        options = ["--id", CAR_RENTAL, "--data", str(self.folder / "terminals"), "--host", f"127.0.0.1:{port}"]
        action = ["--patience", str(PATIENCE_S), "pre-auth", "--amount", "800.00", "--card", "dave"]
        quiet = asyncio.subprocess.DEVNULL
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "holdfast", "terminal", *options, *action, stdout=quiet, stderr=quiet
        )
        await asyncio.wait_for(relay.asked.wait(), 60)
        await asyncio.sleep(0.5)
        child.kill()
        await child.wait()
        self.console.print(f"   killed process {child.pid}; its journal says: asked, no answer")
        relay.to_client = Fate.CARRY
        again = await self.terminal_after_power_cut(CAR_RENTAL, Address("127.0.0.1", port))
        self.console.print(f"   started again: {again}")
        await relay.close()

    async def terminal_after_power_cut(self, terminal_id: str, address: Address) -> str:
        """The same terminal again: it brings to an end what was open before it does anything else."""
        settings = TerminalSettings(terminal_id, int(PATIENCE_S * SECOND_US))
        pos = await Pos.open(self.folder / "terminals", settings, lambda event, **facts: None)
        try:
            await pos.connect(address)
            device = await pos.device()
            key = device.in_flight if device else ""
            no = await pos.ready("01", 60)
            sale = await pos.reader.row(SALES, key)
            self.check("what was in flight is known now", no is None and sale is not None)
            return f"{key} is {sale.outcome if sale else '?'}; nothing is held twice, nothing is lost"
        finally:
            await pos.close()

    def register(self, done: Mapping[str, Any]) -> None:
        """The register, and a proof that anybody can check."""
        self.chapter("7", "The register, and the proof of the completion from chapter 2")
        sys.stdout.write(self.holdfast("register", "list", "--limit", "12"))
        proof = self.folder / "proof.json"
        proof.write_text(self.holdfast("register", "proof", str(done["register_entry"])), encoding="utf-8")
        checked = subprocess.run(
            [sys.executable, "-m", "holdfast", "register", "check-proof", str(proof)],
            capture_output=True,
            text=True,
            check=False,
        )
        self.console.print(f"   {checked.stdout.strip() or checked.stderr.strip()}", soft_wrap=True)
        self.check("the proof checks", checked.returncode == 0)
        verified = orjson.loads(self.holdfast("register", "verify", "--json"))
        self.check("the register verifies", verified["ok"])
        count = verified["entries"]
        self.console.print(f"   register verify: {count} entries of register and book, every one in its place")

    def relay(self) -> Relay:
        """A line to the acquirer that can be made to lose bytes."""
        assert self.acquirer.port is not None, "terminals come over TCP"
        return Relay(self.acquirer.host, self.acquirer.port)

    # --- telling --------------------------------------------------------------------------------------------------

    def chapter(self, number: str, title: str) -> None:
        """A heading."""
        self.console.print(f"\n[bold cyan]{number}.[/bold cyan] [bold]{title}[/bold]")

    def outcome(self, value: Mapping[str, Any], wanted: str, code: str | None = None) -> None:
        """One line about an outcome, and whether it is the one the story tells."""
        amount = format_amount(value["amount"]) if value.get("amount") else ""
        entry = value.get("register_entry") or "no register entry"
        told = f"{value['outcome']} {value['response_code']}".rstrip()
        text = f"   {value['kind']} {amount}: [bold]{told}[/bold] · {entry}"
        self.console.print(text + (f" · {value['reason']}" if value.get("reason") else ""))
        as_told = value["outcome"] == wanted and (code is None or value["response_code"] == code)
        self.check(f"{value['kind']} is {wanted} {code or ''}", as_told)

    def check(self, what: str, holds: bool) -> None:
        """A promise of the story; one that does not hold ends the demo with an error after the last chapter."""
        if not holds:
            self.failed.append(what)
            self.console.print(f"   [red]not so: {what}[/red]")

    async def slip_of(self, pos: Pos, value: Mapping[str, Any]) -> None:
        """The slip as the terminal prints it."""
        sale, device = await pos.reader.row(SALES, value["trace_key"]), await pos.device()
        if sale is not None and device is not None:
            sys.stdout.write("\n" + "".join(f"      {line}\n" for line in slip(sale, device).splitlines()))

    def business_clock(self) -> BusinessClock:
        """The clock of everybody here; the demonstration may run again after it was advanced."""
        return BusinessClock(self.folder / "acquirer")

    def linked(self, placed: Mapping[str, Any], amount_minor: int, name: str) -> dict[str, Any]:
        """The arguments of a completion of that hold."""
        today = mmdd(self.business_clock().now_us())
        code = placed["authorization_code"]
        return {"amount_minor": amount_minor, "authorization_code": code, "date": today, "card": card(name)}

    def holdfast(self, *arguments: str) -> str:
        """What a command of ours prints about this installation."""
        command = [sys.executable, "-m", "holdfast", *arguments, "--data", str(self.folder / "acquirer")]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def card(name: str) -> dict[str, str]:
    """A sample card by name, keyed."""
    found = sample.card(name)
    assert found is not None, f"the sample has no card {name}"
    return {"pan": found["pan"], "expiry": found["expiry"]}
