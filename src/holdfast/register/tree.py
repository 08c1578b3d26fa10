"""The Merkle tree over a log (RFC 6962 / RFC 9162), kept so that neither writing nor proving ever reads the whole log.

Rule 1: a writer holds only the frontier, the roots of the complete subtrees of the log: at most 64 hashes.
Rule 2: stored are the leaf hashes (level 0) and the roots of the complete subtrees of 256, 65 536, … leaves (levels 8,
16, …). Every other node is computed from one run of at most 256 stored hashes of one level: a tile.
Rule 3: a proof first says which ranges it needs, so that an async reader fetches them all at once.

Leaves count from 0. `tile_height` is a parameter so that tests can build many levels of tiles out of few leaves.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from holdfast.errors import RegisterBroken

HASH_BYTES = 32
TILE_HEIGHT = 8
"""2**8 hashes to a tile: 8 kB, one short range of rows; ten million entries need three levels."""

EMPTY_ROOT = sha256(b"").digest()


class Frontier(NamedTuple):
    """The roots of the complete subtrees of a log of `size` leaves, the largest first, one per bit set in `size`."""

    size: int
    hashes: tuple[bytes, ...]


class Node(NamedTuple):
    """The root of a complete subtree of `2**level` leaves, the `index`-th of its level."""

    level: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a node
    hash: bytes


class Range(NamedTuple):
    """Stored hashes `start` to `stop` (exclusive) of one level: what a reader has to fetch."""

    level: int
    start: int
    stop: int


class Span(NamedTuple):
    """Leaves `start` to `stop` (exclusive): a subtree whose hash is part of a proof."""

    start: int
    stop: int


Stored = Mapping[Range, Sequence[bytes]]
"""The fetched hashes of each range that was asked for."""

EMPTY = Frontier(0, ())


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, prefixed so that it is never taken for a leaf."""
    return sha256(b"\x01" + left + right).digest()


def append(frontier: Frontier, leaves: Sequence[bytes], tile_height: int = TILE_HEIGHT) -> tuple[Frontier, list[Node]]:
    """Add leaf hashes; returns the new frontier and the nodes to store that became complete, level by level."""
    size = frontier.size
    waiting = list(frontier.hashes)
    kept: list[bytes] = []
    complete: list[Node] = []
    row = list(leaves)
    level = 0
    while row:
        if size >> level & 1:
            row.insert(0, waiting.pop())
        if len(row) & 1:
            kept.append(row.pop())
        row = _parents(row)
        level += 1
        if row and level % tile_height == 0:
            complete.extend(Node(level, index, made) for index, made in enumerate(row, size >> level))
    return Frontier(size + len(leaves), (*waiting, *reversed(kept))), complete


def root(frontier: Frontier) -> bytes:
    """The root hash of the log; the empty log has the hash of nothing."""
    return _fold(frontier.hashes) if frontier.hashes else EMPTY_ROOT


def frontier_bytes(frontier: Frontier) -> bytes:
    """For a database column: size in 8 bytes, then the hashes."""
    return frontier.size.to_bytes(8) + b"".join(frontier.hashes)


def parse_frontier(stored: bytes) -> Frontier:
    """The reverse of `frontier_bytes`; RegisterBroken when the number of hashes does not belong to the size."""
    size = int.from_bytes(stored[:8])
    if len(stored) != 8 + HASH_BYTES * size.bit_count():
        raise RegisterBroken(f"frontier of {len(stored)} bytes does not belong to a log of {size} entries")
    return Frontier(size, tuple(stored[at : at + HASH_BYTES] for at in range(8, len(stored), HASH_BYTES)))


def inclusion_needs(index: int, size: int, tile_height: int = TILE_HEIGHT) -> list[Range]:
    """What must be fetched to prove leaf `index` in the log of `size`."""
    return _needs(_inclusion_spans(index, size), size, tile_height)


def inclusion_path(index: int, size: int, stored: Stored, tile_height: int = TILE_HEIGHT) -> list[bytes]:
    """The audit path from leaf to root, out of the fetched ranges; RegisterBroken when one of them has gaps."""
    return [_span_hash(span, size, stored, tile_height) for span in _inclusion_spans(index, size)]


def consistency_needs(first: int, second: int, tile_height: int = TILE_HEIGHT) -> list[Range]:
    """What must be fetched to prove that the log of `second` entries extends the log of `first`."""
    return _needs(_consistency_spans(first, second), second, tile_height)


def consistency_path(first: int, second: int, stored: Stored, tile_height: int = TILE_HEIGHT) -> list[bytes]:
    """The consistency proof, out of the fetched ranges; RegisterBroken when one of them has gaps."""
    return [_span_hash(span, second, stored, tile_height) for span in _consistency_spans(first, second)]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash is at `index` in the log of `size` with that root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, made = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            made = node_hash(sibling, made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            made = node_hash(made, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and made == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the log of `second` entries extends the log of `first` (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path and first_root == EMPTY_ROOT
    # A power of two is a complete subtree: its root is a node of the larger tree and is left out of the path.
    hashes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not hashes:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _parents(row: list[bytes]) -> list[bytes]:
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]


def _fold(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, the largest first."""
    made = hashes[-1]
    for left in hashes[-2::-1]:
        made = node_hash(left, made)
    return made


def _split(count: int) -> int:
    """The largest power of two below `count`: where RFC 6962 divides a tree."""
    return 1 << (count - 1).bit_length() - 1


def _inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees beside the way from the root to the leaf, the one next to the leaf first."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a log of {size}")
    start, stop = 0, size
    beside: list[Span] = []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            beside.append(Span(middle, stop))
            stop = middle
        else:
            beside.append(Span(start, middle))
            start = middle
    return beside[::-1]


def _consistency_spans(first: int, second: int) -> list[Span]:
    """The subtrees from which both roots can be computed (SUBPROOF of RFC 6962, 2.1.2), the smallest first."""
    if not 0 <= first <= second:
        raise ValueError(f"a log of {second} entries cannot extend one of {first}")
    if first in (0, second):
        return []
    start, stop = 0, second
    beside: list[Span] = []
    while stop != first:
        middle = start + _split(stop - start)
        if first <= middle:
            beside.append(Span(middle, stop))
            stop = middle
        else:
            beside.append(Span(start, middle))
            start = middle
    if start:
        beside.append(Span(start, stop))
    return beside[::-1]


def _subtrees(span: Span) -> list[tuple[int, int]]:
    """The complete subtrees (level, index) of a span, the largest first; a span starts where its largest may start."""
    found: list[tuple[int, int]] = []
    start = span.start
    while start < span.stop:
        level = (span.stop - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _tile(level: int, index: int, size: int, tile_height: int) -> Range:
    """The tile below (or at) a node, as far as the log of `size` has filled it."""
    stored_level = level - level % tile_height
    start = (index << level - stored_level) >> tile_height << tile_height
    return Range(stored_level, start, min(start + (1 << tile_height), size >> stored_level))


def _needs(spans: Iterable[Span], size: int, tile_height: int) -> list[Range]:
    return sorted({_tile(*subtree, size, tile_height) for span in spans for subtree in _subtrees(span)})


def _span_hash(span: Span, size: int, stored: Stored, tile_height: int) -> bytes:
    return _fold([_subtree_hash(*subtree, size, stored, tile_height) for subtree in _subtrees(span)])


def _subtree_hash(level: int, index: int, size: int, stored: Stored, tile_height: int) -> bytes:
    tile = _tile(level, index, size, tile_height)
    hashes = stored.get(tile, ())
    if len(hashes) != tile.stop - tile.start:
        raise RegisterBroken(
            f"level {tile.level} holds {len(hashes)} of the hashes {tile.start} to {tile.stop - 1}: the tree has gaps"
        )
    start = (index << level - tile.level) - tile.start
    row = list(hashes[start : start + (1 << level - tile.level)])
    while len(row) > 1:
        row = _parents(row)
    return row[0]
