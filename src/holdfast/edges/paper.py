"""Thirty-two columns of paper: how text is laid out on a 58 mm printer. It knows nothing of what is printed.

A Chinese character takes two columns. What is too long goes on in the next line; nothing is cut off.
"""

import re
from unicodedata import east_asian_width

WIDTH = 32
LABEL_WIDTH = 13
"""Columns in front of a value, so that short values stand under each other."""

RULE = "-" * WIDTH

_PIECE = re.compile(r" |[!-~]+|.[，。；：、）]{0,2}")
"""What a line break may not tear: a Latin word, and a character with the punctuation behind it."""


def columns(text: str) -> int:
    """How wide a text is on paper."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def wrapped(text: str, width: int = WIDTH) -> list[str]:
    """A text in lines of at most `width` columns."""
    lines = [""]
    for piece in _PIECE.findall(text):
        if lines[-1] and columns(lines[-1] + piece) > width:
            lines.append("")
            piece = piece.lstrip()
        while columns(piece) > width:
            lines[-1:] = [piece[:width], ""]
            piece = piece[width:]
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def centred(text: str) -> list[str]:
    """A text in the middle."""
    return [" " * ((WIDTH - columns(line)) // 2) + line for line in wrapped(text)]


def labelled(label: str, value: str) -> list[str]:
    """`TRACE NO:    000123`; a long value moves up to its label, and then on into the next line."""
    line = f"{label}:{' ' * (LABEL_WIDTH - 1 - columns(label))}{value}"
    return [line] if columns(line) <= WIDTH else wrapped(f"{label}: {value}")


def indented(text: str, mark: str = "  ") -> list[str]:
    """A text two columns in; `mark` stands in front of its first line."""
    return [(mark if at == 0 else "  ") + line for at, line in enumerate(wrapped(text, WIDTH - 2))]


def sides(left: str, right: str) -> list[str]:
    """One text at the left edge and one at the right, in two lines where one is too short."""
    blanks = WIDTH - columns(left) - columns(right)
    if not right:
        return [left]
    return [left + " " * blanks + right] if blanks > 0 else [left, " " * (WIDTH - columns(right)) + right]
