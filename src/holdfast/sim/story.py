"""A world told in lines: who wanted what, what arrived and what did not, what the cashier was told, what is wrong."""

import re

from holdfast.clock import local
from holdfast.errors import WireError
from holdfast.money import format_amount
from holdfast.sim.run import played
from holdfast.sim.scheduler import Tape
from holdfast.sim.world import Only
from holdfast.wire.codec import decode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from holdfast.wire.message import Message

LENGTH_BYTES = 2
LINES_MAX = 200


def told(seed: int, minutes: int, bug: str | None, only: Only = None) -> list[str]:
    """What happens in this world, a line each, at most LINES_MAX; the first line says when it is."""
    tape: Tape = []
    complaints = played(seed, minutes, bug, only, tape).complaints
    lines, day = list[str](), ""
    for at_us, what, seen in tape:
        moment, said = local(at_us), line_of(what, seen)
        if said is None or (only is not None and _of_others(said, only)):
            continue
        if (today := f"{moment:%Y-%m-%d}") != day:
            lines.append(f"{today}")
            day = today
        lines.append(f"  {moment:%H:%M:%S.%f}"[:-3] + f"  {said}")
    if len(lines) > LINES_MAX:
        lines = [*lines[:LINES_MAX], f"… and {len(lines) - LINES_MAX} lines more"]
    return [*lines, *(f"COMPLAINT {complaint}" for complaint in complaints)]


def _of_others(said: str, only: frozenset[str]) -> bool:
    """Whether it is about a terminal alone to which nobody comes in this story."""
    terminals = re.findall(r"T\d{7}", said)
    return bool(terminals) and not any(name.startswith(terminal) for terminal in terminals for name in only)


def line_of(what: str, seen: bytes) -> str | None:
    """One thing that was noted, in words; None for what tells nobody anything."""
    words = what.split()
    if words[0] == "COMPLAINT" or (len(words) > 1 and words[1] == "at"):
        # A batch was committed: it shows in what is sent.
        return None
    if not seen:
        return what
    end, _, peer = words[-1].partition(">")
    message = _message(seen)
    says = f"{len(seen)} bytes" if message is None else _said(message)
    if words[0] == "to":
        return f"{end} hears from {peer}: {says}"
    return f"{end} to {peer}, {' '.join(words[:-1])}: {says}"


def _message(seen: bytes) -> Message | None:
    for dialect in (UNIONPAY, ASCII_1987):
        try:
            return decode(dialect, seen[LENGTH_BYTES:])
        except WireError:
            continue
    return None


def _said(message: Message) -> str:
    """A message in a line: type, trace number, what is meant, amount, code."""
    parts = [message.mti, message.get(11)]
    if message.get(4).strip("0"):
        parts.append(format_amount(int(message.get(4))))
    if message.get(39):
        parts.append(f"-> {message.get(39)} {message.get(38)}".rstrip())
    return " ".join(parts)
