"""Frames come out whole and in order however the stream is cut; a wrong prefix ends the stream."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.wire.framing import FRAME_BYTES_MAX, Frames, frame

BODIES = [b"the first frame", b"and now the second one", bytes(range(200))]
STREAM = b"".join(map(frame, BODIES))


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_stream_may_be_cut_at_each_byte(cut: int) -> None:
    frames = Frames()
    assert frames.feed(STREAM[:cut]) + frames.feed(STREAM[cut:]) == BODIES
    assert frames.pending == 0


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_a_stream_may_be_cut_into_many_pieces(cuts: list[int]) -> None:
    frames = Frames()
    bodies: list[bytes] = []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        bodies += frames.feed(STREAM[start:end])
    assert bodies == BODIES


def test_half_a_frame_is_pending() -> None:
    frames = Frames()
    assert frames.feed(STREAM[:1]) == []
    assert frames.pending == 1
    assert frames.feed(STREAM[1:10]) == []
    assert frames.pending == 10


@pytest.mark.parametrize(
    ("prefix", "sentence"),
    [
        ("0000", "length at byte 0: a frame of no bytes"),
        ("000B", "length at byte 0: 11 bytes are fewer than the 12 of any message"),
        ("1001", "length at byte 0: 4097 bytes are over 4096"),
        ("FFFF", "length at byte 0: 65535 bytes are over 4096"),
    ],
)
def test_a_wrong_prefix_ends_the_stream(prefix: str, sentence: str) -> None:
    frames = Frames()
    with pytest.raises(WireError) as caught:
        frames.feed(bytes.fromhex(prefix))
    assert str(caught.value) == sentence
    with pytest.raises(WireError):
        frames.feed(frame(BODIES[0]))


def test_good_frames_before_a_wrong_prefix_are_not_lost() -> None:
    frames = Frames()
    assert frames.feed(STREAM + b"\0\0") == BODIES
    assert frames.fault is not None
    with pytest.raises(WireError):
        frames.feed(b"")


def test_the_largest_frame_is_a_parameter() -> None:
    body = bytes(300)
    assert Frames(frame_bytes_max=300).feed(frame(body)) == [body]
    with pytest.raises(WireError):
        Frames(frame_bytes_max=299).feed(frame(body))
    assert FRAME_BYTES_MAX < 0x10000


def test_a_body_that_no_prefix_can_express() -> None:
    assert frame(bytes(65_535))[:2] == b"\xff\xff"
    with pytest.raises(WireError, match="length at byte 0: 65536 bytes do not fit a frame of 65535"):
        frame(bytes(65_536))
