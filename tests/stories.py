"""Rules told as stories: a text table that an operations desk can read, correct and extend.

    C1 opens debit 1000.00
    A1 places C1 100.00     -> 00  C1.available 900.00  C1.held 100.00
    A2 completes A1 80.00   -> 00  C1.available 920.00  # the rest is released

Before the arrow stand the words of one step; after it the answer, if there is one to tell, and names with the values
that they have then. `#` begins a remark. The test supplies what the words do and what the names mean.
"""

from collections.abc import Callable
from itertools import zip_longest

Act = Callable[[list[str]], str]
"""Does what the words say and gives the answer."""

Look = Callable[[str], str]
"""The value that a name has now."""


def play(story: str, act: Act, look: Look) -> None:
    """Play a story; where it goes otherwise, the assertion shows told and happened side by side."""
    told = [line for line in (" ".join(line.partition("#")[0].split()) for line in story.splitlines()) if line]
    happened = [_happened(line, act, look) for line in told]
    assert happened == told, "\n" + "\n".join(_beside(told, happened))


def _beside(told: list[str], happened: list[str]) -> list[str]:
    """The story, and under each line that went otherwise what happened."""
    lines: list[str] = []
    for story, really in zip_longest(told, happened, fillvalue="(nothing)"):
        lines += [f"  {story}"] if story == really else [f"- {story}", f"+ {really}"]
    return lines


def _happened(line: str, act: Act, look: Look) -> str:
    doing, arrow, expected = line.partition(" -> ")
    answer = act(doing.split())
    if not arrow:
        return doing
    names = expected.split()
    # A step that is answered tells its answer first; names and values come in pairs.
    tells_answer = len(names) % 2 == 1
    names = names[tells_answer:]
    values = [word for name in names[::2] for word in (name, look(name))]
    return f"{doing} -> {' '.join([answer] * tells_answer + values)}"
