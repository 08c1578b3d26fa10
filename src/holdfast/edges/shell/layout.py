"""Eighty columns by twenty-four lines: what fits, counted as a terminal counts, a Chinese character as two columns.

A page is a head (one line and a rule), a body, one line for a remark, and the line in which something is typed. The
last column stays free, because some terminals begin a new line there.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holdfast.edges.paper import WIDTH as SLIP_WIDTH
from holdfast.edges.paper import columns, wrapped

WIDTH, HEIGHT = 79, 24
RULE = "-" * WIDTH
HEAD_LINES = 2
BODY_LINES = HEIGHT - HEAD_LINES - 2
"""Two lines are below: the remark, and where something is typed."""

MARGIN = "   "
LABEL_WIDTH = 16
GUTTER = " | "


class Page(NamedTuple):
    """What is shown at once; `prompt` stands in front of what is typed."""

    head: str
    body: tuple[str, ...]
    remark: str = ""
    prompt: str = ""

    def lines(self) -> list[str]:
        """All of its lines, twenty-four of them, the last one without an end."""
        assert len(self.body) <= BODY_LINES, f"a body of {len(self.body)} lines does not fit"
        blank = [""] * (BODY_LINES - len(self.body))
        return [fit(line) for line in (self.head, RULE, *self.body, *blank, self.remark, self.prompt)]


def fit(text: str, width: int = WIDTH) -> str:
    """At most so many columns, without anything that would move the cursor; what is cut off leaves two dots."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    if columns(text) <= width:
        return text
    while columns(text) > width - 2:
        text = text[:-1]
    return f"{text}.."


def padded(text: str, width: int, right: bool = False) -> str:
    """Exactly so many columns."""
    text = fit(text, width)
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def labelled(label: str, value: str) -> str:
    """`   Amount          RMB 500.00`."""
    return f"{MARGIN}{padded(label, LABEL_WIDTH)}{value}"


def paragraph(text: str, width: int = WIDTH - 2 * len(MARGIN)) -> list[str]:
    """A text in lines, behind the margin."""
    return [MARGIN + line for line in wrapped(text, width)]


def beside(left: Sequence[str], right: Sequence[str]) -> list[str]:
    """A slip, and what is said of it, side by side."""
    height = max(len(left), len(right))
    pairs = zip(_tall(left, height), _tall(right, height), strict=True)
    return [f" {padded(slip, SLIP_WIDTH)}{GUTTER}{said}".rstrip() for slip, said in pairs]


BESIDE_WIDTH = WIDTH - SLIP_WIDTH - len(GUTTER) - 1
"""Columns to the right of a slip."""


def _tall(lines: Sequence[str], height: int) -> list[str]:
    return [*lines, *[""] * (height - len(lines))]


def in_pages(lines: Iterable[str], height: int = BODY_LINES) -> list[tuple[str, ...]]:
    """A long body, page by page; one empty page where there is nothing."""
    lines = list(lines)
    return [tuple(lines[at : at + height]) for at in range(0, len(lines), height)] or [()]
