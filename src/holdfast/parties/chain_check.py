"""What a terminal's chain says about our register: it names the last entry that it was given (DE57).

Entries only ever come after those before them, so a register that lacks an entry which a terminal was told has lost it:
it was cut, or restored from a backup older than the terminal's last answer.
"""

from collections.abc import Mapping

from holdfast.domain.generations import generation_of
from holdfast.errors import BadInput
from holdfast.ids import parse_entry_id
from holdfast.parties.step import Turn


def missing_entry(last_entry: str, turn: Turn, ended: Mapping[str, int]) -> str | None:
    """Why the entry that a terminal names is not in this register; None when nothing speaks against it, or for "".

    `ended` gives the size of each log that a restore ended. Of another worker's log that still grows nothing is known
    here, so an entry of it is believed.
    """
    if not last_entry:
        return None
    try:
        log, number = parse_entry_id(last_entry)
    except BadInput:
        return f"{last_entry} is no register entry"
    if log == turn.log:
        return None if number < turn.number else f"log {log} has {turn.number - 1} entries, not {last_entry}"
    if log in ended:
        return (
            None
            if number <= ended[log]
            else f"log {log} ended at {ended[log]} entries by a restore, before {last_entry}"
        )
    if generation_of(log) != generation_of(turn.log):
        return f"log {log} of {last_entry} was begun after the backup from which this register was restored"
    return None
