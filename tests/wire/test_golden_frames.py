"""Frames written by hand from domain.md's tables: each reads as its fields and writes as its bytes, either way."""

import pytest

from holdfast.wire.codec import decode, encode
from holdfast.wire.compiled import compile_reader, compile_writer
from holdfast.wire.describe import describe
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.plain import read_message, write_message
from tests.wire.golden.answered import APPROVED, REFUSED
from tests.wire.golden.answered_to_the_batch import BATCH as BATCH_ANSWERED
from tests.wire.golden.answered_to_the_batch import SESSION as SESSION_ANSWERED
from tests.wire.golden.asked import COMPLETIONS, HOLDS, SALES
from tests.wire.golden.asked_of_the_batch import BATCH, SESSION
from tests.wire.golden.reading import Golden, golden_frames

ASKED = [golden for table in (HOLDS, COMPLETIONS, SALES, BATCH, SESSION) for golden in golden_frames(table)]
ANSWERED = [
    golden for table in (APPROVED, REFUSED, BATCH_ANSWERED, SESSION_ANSWERED) for golden in golden_frames(table)
]
ALL = [*ASKED, *ANSWERED]


def test_there_are_twenty_each_way() -> None:
    assert len({golden.title for golden in ASKED}) == len(ASKED) >= 20
    assert len({golden.title for golden in ANSWERED}) == len(ANSWERED) >= 20
    assert {golden.mti[2] for golden in ASKED} == {"0", "2"}
    assert {golden.mti[2] for golden in ANSWERED} == {"1", "3"}


@pytest.mark.parametrize("golden", ALL, ids=[golden.title for golden in ALL])
def test_a_golden_frame_is_read_and_written(golden: Golden) -> None:
    numbers = list(golden.fields)
    expected = Message(golden.mti, golden.fields, golden.body, golden.tpdu, golden.header)
    again = Message(golden.mti, golden.fields, b"", golden.tpdu, golden.header)
    assert read_message(UNIONPAY, golden.body) == expected
    assert write_message(UNIONPAY, again) == golden.body
    assert compile_reader(UNIONPAY, numbers)(golden.body) == expected
    assert compile_writer(UNIONPAY, numbers)(again) == golden.body
    assert decode(UNIONPAY, golden.body) == expected
    assert encode(UNIONPAY, again) == golden.body


@pytest.mark.parametrize("golden", ALL, ids=[golden.title for golden in ALL])
def test_a_golden_frame_is_explained_without_its_card(golden: Golden) -> None:
    views = describe(UNIONPAY, read_message(UNIONPAY, golden.body))
    assert [view.number for view in views] == list(golden.fields)
    for pan in ("6200000000000005", "6220000000000019", "6200000000000000018", "4000000000000002"):
        assert pan not in str(views)
    for view in views:
        assert not any(part.name == "rest" for part in view.parts), f"field {view.number} is not explained to its end"
