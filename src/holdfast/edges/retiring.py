"""`holdfast register retire`: shreds the card numbers that nobody needs any more. A job for quiet hours, each quarter.

What was recorded stays: entries, rows and proofs name a card by its mask and a random token.
"""

import sys
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from holdfast.edges.doors import tell_acquirer
from holdfast.edges.open_reader import open_reader
from holdfast.edges.output import print_json
from holdfast.edges.places import data_path
from holdfast.errors import Unreachable
from holdfast.parties.retention import RETIRE
from holdfast.reading.retention import Look, look, used_since
from holdfast.runtime.business_clock import BusinessClock
from holdfast.runtime.config import notice_of, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.store.interface import Reader

CARDS_PER_COMMAND_MAX = 100
"""One commit: a terminal's request that comes meanwhile waits some milliseconds."""

TRIES_MAX = 100
"""So often a register that has grown meanwhile is looked at again before its terminals are left in peace."""


class Retired(NamedTuple):
    """What became of the cards of a register: how many it names, and how many were shredded (or would be)."""

    cards: int
    shredded: int
    dry_run: bool


def now_us(folder: DataFolder) -> int:
    """Business time, microseconds since 1970 UTC."""
    return BusinessClock(folder.path).now_us()


async def retire(data: Path | None, dry_run: bool) -> Retired:
    """Look through the register of what runs in the data folder, and have its acquirer shred what may go."""
    folder = DataFolder(data_path(data), create=False)
    notice = notice_of(folder)
    async with open_reader(role_dsns(notice.database, Path(notice.keys))) as reader:
        found = await look(reader, now_us(folder))
        shredded = await _shredded(folder, reader, found, dry_run)
    return Retired(found.cards, shredded, dry_run)


async def _shredded(folder: DataFolder, reader: Reader, found: Look, dry_run: bool) -> int:
    """Command after command; a card that is used meanwhile is meant no more."""
    waiting, sizes, shredded, tries = dict.fromkeys(found.unused), found.sizes, 0, 0
    while waiting and tries < TRIES_MAX:
        used, sizes = await used_since(reader, sizes)
        for token in used:
            waiting.pop(token, None)
        if not (some := list(islice(waiting, CARDS_PER_COMMAND_MAX))):
            break
        arguments = {"tokens": some, "sizes": sizes, "dry_run": dry_run}
        answer = await tell_acquirer(folder, RETIRE, arguments, "retention")
        if answer["moved"]:
            tries += 1
            continue
        tries, shredded = 0, shredded + answer["shredded"]
        for token in some:
            del waiting[token]
    if waiting:
        raise Unreachable(
            f"the register grows too fast to look at it in between: {shredded:,} card numbers were shredded; "
            "give the same command again in a quieter hour"
        )
    return shredded


def print_retired(retired: Retired, json: bool) -> None:
    """What was done, in a line."""
    if json:
        print_json(retired._asdict())
        return
    verb = "would be shredded" if retired.dry_run else "are shredded"
    sys.stdout.write(f"{retired.shredded:,} card numbers {verb}; the register names {retired.cards:,} cards\n")
