"""The tree agrees with RFC 6962 written down naively, and with the reference roots of Certificate Transparency."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import RegisterBroken
from holdfast.register.tree import (
    EMPTY,
    EMPTY_ROOT,
    Frontier,
    Node,
    Range,
    append,
    consistency_needs,
    consistency_path,
    frontier_bytes,
    inclusion_needs,
    inclusion_path,
    parse_frontier,
    root,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves and the roots of the logs of one to eight of them, published with the reference implementation.
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(content: bytes) -> bytes:
    return sha256(b"\x00" + content).digest()


def leaves_of(count: int) -> list[bytes]:
    return [leaf(str(number).encode()) for number in range(count)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def naive_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if index < k:
        return [*naive_inclusion(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_inclusion(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(first: int, leaves: Sequence[bytes], known: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    if first == len(leaves):
        return [] if known else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if first <= k:
        return [*naive_consistency(first, leaves[:k], known), naive_root(leaves[k:])]
    return [*naive_consistency(first - k, leaves[k:], False), naive_root(leaves[:k])]


class Rows:
    """What a store would hold: leaf hashes, and the nodes that `append` gave out."""

    def __init__(self, tile_height: int) -> None:
        self.tile_height = tile_height
        self.hashes: dict[int, list[bytes]] = {0: []}
        self.frontier = EMPTY

    def add(self, leaves: Sequence[bytes]) -> None:
        self.frontier, nodes = append(self.frontier, leaves, self.tile_height)
        self.hashes[0].extend(leaves)
        for node in nodes:
            level = self.hashes.setdefault(node.level, [])
            assert node.index == len(level), "nodes of a level come in order and once"
            level.append(node.hash)

    def fetch(self, needs: Sequence[Range]) -> dict[Range, list[bytes]]:
        return {need: self.hashes[need.level][need.start : need.stop] for need in needs}


def test_the_reference_roots() -> None:
    frontier = EMPTY
    assert root(frontier) == EMPTY_ROOT
    for content, expected in zip(CT_LEAVES, CT_ROOTS, strict=True):
        frontier, _ = append(frontier, [leaf(content)])
        assert root(frontier).hex() == expected
    at_once, _ = append(EMPTY, [leaf(content) for content in CT_LEAVES])
    assert at_once == frontier


def test_the_reference_inclusion_path() -> None:
    rows = Rows(8)
    rows.add([leaf(content) for content in CT_LEAVES])
    assert [step.hex() for step in inclusion_path(5, 8, rows.fetch(inclusion_needs(5, 8)))] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@pytest.mark.parametrize("tile_height", [1, 2, 3, 8])
def test_every_proof_of_small_logs_is_the_naive_one(tile_height: int) -> None:
    leaves = leaves_of(70)
    rows = Rows(tile_height)
    roots = [EMPTY_ROOT]
    for one in leaves:
        rows.add([one])
        roots.append(root(rows.frontier))
    for size in range(1, 71, 1 if tile_height == 2 else 7):
        assert roots[size] == naive_root(leaves[:size])
        for index in range(size):
            path = inclusion_path(index, size, rows.fetch(inclusion_needs(index, size, tile_height)), tile_height)
            assert path == naive_inclusion(index, leaves[:size])
            assert verify_inclusion(leaves[index], index, size, path, roots[size])
        for first in range(size + 1):
            stored = rows.fetch(consistency_needs(first, size, tile_height))
            path = consistency_path(first, size, stored, tile_height)
            assert path == ([] if first == 0 else naive_consistency(first, leaves[:size]))
            assert verify_consistency(first, size, roots[first], roots[size], path)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 2_000), st.data())
def test_proofs_of_larger_logs_cross_tiles(size: int, draw: st.DataObject) -> None:
    leaves = leaves_of(size)
    index, first = draw.draw(st.integers(0, size - 1)), draw.draw(st.integers(1, size))
    for tile_height in (3, 8):
        rows = Rows(tile_height)
        rows.add(leaves)
        assert root(rows.frontier) == naive_root(leaves)
        included = inclusion_path(index, size, rows.fetch(inclusion_needs(index, size, tile_height)), tile_height)
        assert included == naive_inclusion(index, leaves)
        stored = rows.fetch(consistency_needs(first, size, tile_height))
        assert consistency_path(first, size, stored, tile_height) == naive_consistency(first, leaves)


@given(st.lists(st.integers(0, 40), max_size=12), st.sampled_from([1, 2, 8]))
def test_batches_add_up(batches: list[int], tile_height: int) -> None:
    leaves = leaves_of(sum(batches))
    at_once, one_by_one = Rows(tile_height), Rows(tile_height)
    at_once.add(leaves)
    for batch in batches:
        start = one_by_one.frontier.size
        one_by_one.add(leaves[start : start + batch])
    assert one_by_one.frontier == at_once.frontier
    assert one_by_one.hashes == at_once.hashes


def test_nodes_are_given_out_when_their_tile_is_full() -> None:
    leaves = leaves_of(600)
    frontier, none = append(EMPTY, leaves[:255])
    assert none == []
    frontier, nodes = append(frontier, leaves[255:])
    assert nodes == [Node(8, 0, naive_root(leaves[:256])), Node(8, 1, naive_root(leaves[256:512]))]


@pytest.mark.parametrize("index", [0, 255, 256, 5_000_000, 9_983_000, 9_999_999])
def test_a_proof_in_ten_million_entries_reads_few_short_ranges(index: int) -> None:
    for needs in (inclusion_needs(index, 10_000_000), consistency_needs(index + 1, 10_000_000)):
        assert len(needs) <= 6
        assert all(0 < need.stop - need.start <= 256 for need in needs)
        assert all(need.stop <= 10_000_000 >> need.level for need in needs)


def test_a_gap_in_the_rows_is_said() -> None:
    rows = Rows(8)
    rows.add(leaves_of(300))
    stored = rows.fetch(inclusion_needs(5, 300))
    del stored[Range(0, 0, 256)][7]
    with pytest.raises(RegisterBroken, match="level 0 holds 255 of the hashes 0 to 255: the tree has gaps"):
        inclusion_path(5, 300, stored)


@settings(max_examples=60)
@given(st.integers(1, 90), st.data())
def test_a_changed_proof_never_verifies(size: int, draw: st.DataObject) -> None:
    leaves = leaves_of(size)
    index, first = draw.draw(st.integers(0, size - 1)), draw.draw(st.integers(1, size))
    whole, part = naive_root(leaves), naive_root(leaves[:first])
    path, steps = naive_inclusion(index, leaves), naive_consistency(first, leaves)
    other = bytes(32)
    for at in range(len(path)):
        assert not verify_inclusion(leaves[index], index, size, [*path[:at], other, *path[at + 1 :]], whole)
    assert not verify_inclusion(leaves[index], index, size, [*path, other], whole)
    assert not verify_inclusion(other, index, size, path, whole)
    assert not verify_inclusion(leaves[index], index, size, path, other)
    assert not path or not verify_inclusion(leaves[index], index, size, path[:-1], whole)
    assert not any(verify_inclusion(leaves[index], at, size, path, whole) for at in range(-2, size + 3) if at != index)
    for at in range(len(steps)):
        assert not verify_consistency(first, size, part, whole, [*steps[:at], other, *steps[at + 1 :]])
    assert not verify_consistency(first, size, part, whole, [*steps, other])
    assert not steps or not verify_consistency(first, size, part, whole, steps[:-1])
    assert not verify_consistency(first, size, other, whole, steps)
    assert not verify_consistency(first, size, part, other, steps)


def test_sizes_that_cannot_be() -> None:
    assert not verify_inclusion(EMPTY_ROOT, 0, 0, [], EMPTY_ROOT)
    assert not verify_consistency(2, 1, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 3, bytes(32), EMPTY_ROOT, [])
    assert not verify_consistency(4, 8, EMPTY_ROOT, EMPTY_ROOT, []), "one root cannot be that of two sizes"
    with pytest.raises(ValueError, match="no leaf 3 in a log of 3"):
        inclusion_needs(3, 3)
    with pytest.raises(ValueError, match="cannot extend"):
        consistency_needs(4, 3)


@given(st.integers(0, 300))
def test_a_frontier_survives_storing(size: int) -> None:
    frontier, _ = append(EMPTY, leaves_of(size))
    assert parse_frontier(frontier_bytes(frontier)) == frontier


@pytest.mark.parametrize("stored", [b"", b"\x00" * 7, b"\x00" * 9, frontier_bytes(Frontier(3, (bytes(32),)))])
def test_a_torn_frontier_is_refused(stored: bytes) -> None:
    with pytest.raises(RegisterBroken):
        parse_frontier(stored)
