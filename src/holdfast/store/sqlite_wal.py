"""The write-ahead log beside a terminal's file, looked at before SQLite opens it.

SQLite takes such a log up to its last whole commit and forgets the rest without a word. That is right after a power cut
in the middle of a commit and wrong after a disk that lost what it had confirmed. Nobody can tell the one from the
other, so that both are said. Where only the process was killed, the index below tells: a commit that it does not count
was never confirmed.

Rule 1: frames bear the salts of their generation. Those of an older generation, left behind the newest commit, are in
the main file since long and mean nothing.
Rule 2: while the machine runs, SQLite's index beside the log (`-shm`) says how many frames were committed. Where it is
still there and of the same generation, a log that has fewer is short; where it is gone, one that was cut exactly behind
a commit looks whole, and only the acquirer can notice.

The layout of both files is published as part of SQLite's file format.
"""

import sys
import time
from array import array
from pathlib import Path
from struct import Struct
from typing import NamedTuple

MAGIC, FORMAT = 0x377F0682, 3_007_000
"""The lowest bit of the magic number says that checksums go over big-endian words."""

HEADER = Struct(">8I")
"""Magic, format, bytes of a page, generation, two salts, two checksums."""

FRAME = Struct(">6I")
"""Page, pages of the file after a commit (0: no commit), two salts, two checksums; then the page."""

SALTS, FRAME_SALTS, INDEX_SALTS = slice(16, 24), slice(8, 16), slice(32, 40)
CHECKED_OF_HEADER, CHECKED_OF_FRAME = 24, 8

INDEX_HEADER_BYTES, INDEX_CHECKED_BYTES = 48, 40
COMMITTED_AT, BACKFILLED_AT = 16, 2 * INDEX_HEADER_BYTES
"""Where the index says how many frames were committed, and how many of them lie in the main file already."""

WORD_MAX = 0xFFFF_FFFF
NOT_WHOLE = "the last write is torn"

Sums = tuple[int, int]


class Wal(NamedTuple):
    """How far a log is whole: its committed frames, the byte at which they end, and what is wrong behind ('': nothing).

    `cut_at` is where an unfinished commit that nothing follows may be cut off, 0 where there is none.
    """

    frames: int
    torn: str
    cut_at: int = 0


def wal_of(path: Path) -> Path:
    """The log of a file."""
    return path.with_name(f"{path.name}-wal")


def index_of(path: Path) -> Path:
    """The index of that log."""
    return path.with_name(f"{path.name}-shm")


def why_torn(path: Path) -> str:
    """What is wrong with the log of a file that nobody has open; '' when nothing is. OSError when it cannot be read."""
    log, index = _bytes_of(wal_of(path)), _bytes_of(index_of(path))
    wal, said = scanned(log), _said_by(index, log[SALTS])
    if wal.torn and not (said and said[0] <= wal.frames and _is_of_this_run(index_of(path))):
        return wal.torn
    committed, backfilled = said or (0, 0)
    if wal.frames < committed and not (wal.frames == 0 and backfilled >= committed):
        return f"{NOT_WHOLE}: {wal.frames} of {committed} pages of its log are left"
    return ""


def cut_unfinished(path: Path) -> None:
    """Take off what a commit that failed has left behind the last whole one, so that nobody takes it for a torn one.

    Only for whoever alone may write the file, between two transactions, or before it is opened and when it is whole.
    """
    wal = wal_of(path)
    cut_at = scanned(_bytes_of(wal)).cut_at
    if cut_at:
        with wal.open("r+b") as file:
            file.truncate(cut_at)


def committed_pages(path: Path) -> list[tuple[int, bytes]]:
    """The pages of the file, by their numbers, as the commits in its log left them one after the other."""
    log = _bytes_of(wal_of(path))
    frame_bytes = FRAME.size + (HEADER.unpack_from(log)[2] if len(log) >= HEADER.size else 0)
    starts = (HEADER.size + n * frame_bytes for n in range(scanned(log).frames))
    return [(FRAME.unpack_from(log, at)[0], log[at + FRAME.size : at + frame_bytes]) for at in starts]


def scanned(log: bytes) -> Wal:
    """How far these bytes are a whole log."""
    if not log:
        return Wal(0, "")
    head = log[: HEADER.size]
    if len(head) < HEADER.size:
        return Wal(0, f"{NOT_WHOLE}: its log ends within the header")
    magic, version, page_bytes, *_, first, second = HEADER.unpack(head)
    big = bool(magic & 1)
    sums = _summed((0, 0), head[:CHECKED_OF_HEADER], big)
    if (magic & ~1, version) != (MAGIC, FORMAT) or sums != (first, second):
        return Wal(0, "the header of its log is damaged")
    return _scanned_frames(log, FRAME.size + page_bytes, big, sums)


def _scanned_frames(log: bytes, frame_bytes: int, big: bool, sums: Sums) -> Wal:
    """Frame by frame, as SQLite does it; then what stands behind the first one that it does not take."""
    salts, at, frames, committed, end = log[SALTS], HEADER.size, 0, 0, HEADER.size
    while at + frame_bytes <= len(log):
        head = log[at : at + FRAME.size]
        page, pages, *_, first, second = FRAME.unpack(head)
        if not page or head[FRAME_SALTS] != salts:
            break
        sums = _summed(sums, head[:CHECKED_OF_FRAME], big)
        sums = _summed(sums, log[at + FRAME.size : at + frame_bytes], big)
        if sums != (first, second):
            break
        at, frames = at + frame_bytes, frames + 1
        if pages:
            committed, end = frames, at
    left = [place for place in range(at, len(log), frame_bytes) if _is_of(log[place : place + FRAME.size], salts)]
    if not left and frames == committed:
        return Wal(committed, "")
    # One frame that is not whole is what a full disk leaves; more of them are no unfinished commit.
    return Wal(committed, f"{NOT_WHOLE}: a commit in its log is not complete", end if left in ([], [at]) else 0)


def _is_of(head: bytes, salts: bytes) -> bool:
    """Whether a frame belongs to the generation. Of one whose salts changed in part, and of a stump, it is assumed."""
    if len(head) < FRAME_SALTS.stop:
        return True
    found = head[FRAME_SALTS]
    return found[:4] == salts[:4] or found[4:] == salts[4:]


def _is_of_this_run(index: Path) -> bool:
    """Whether the index was made since the machine started; an older one may lag behind what was confirmed."""
    now_s = time.time()
    return now_s - time.clock_gettime(time.CLOCK_BOOTTIME) < index.stat().st_mtime <= now_s


def _said_by(index: bytes, salts: bytes) -> tuple[int, int] | None:
    """How many frames were committed and how many of them lie in the main file; None where the index cannot say."""
    head, copy = index[:INDEX_HEADER_BYTES], index[INDEX_HEADER_BYTES : 2 * INDEX_HEADER_BYTES]
    if len(copy) < INDEX_HEADER_BYTES or head != copy or (salts and head[INDEX_SALTS] != salts):
        return None
    sums = _summed((0, 0), head[:INDEX_CHECKED_BYTES], sys.byteorder == "big")
    if sums != (_word(head, INDEX_CHECKED_BYTES), _word(head, INDEX_CHECKED_BYTES + 4)):
        return None
    return _word(head, COMMITTED_AT), _word(index, BACKFILLED_AT)


def _word(index: bytes, at: int) -> int:
    return int.from_bytes(index[at : at + 4], sys.byteorder)


def _summed(sums: Sums, checked: bytes, big: bool) -> Sums:
    """SQLite's checksum, carried on over these bytes."""
    words = array("I", checked)
    if big != (sys.byteorder == "big"):
        words.byteswap()
    first, second = sums
    pairs = iter(words)
    for even, odd in zip(pairs, pairs, strict=True):
        first = (first + even + second) & WORD_MAX
        second = (second + odd + first) & WORD_MAX
    return first, second


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
