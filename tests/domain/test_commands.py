"""The kinds of request as a table that a person can compare with domain tables of the trade."""

import pytest

from holdfast.domain.commands import (
    BUSINESS_KINDS,
    BY_NAME,
    BY_NETWORK,
    BY_REVERSED,
    BY_UPLOAD,
    BY_WIRE,
    CardPresented,
)

TABLE = """
pre-authorization       预授权          0100 030000 06 10  place      -        reversed   -       -
increment               追加预授权      0100 030000 60 10  increase   hold     reversed   -       -
moto-pre-authorization  订购预授权      0100 030000 18 10  place      -        reversed   -       -
void                    预授权撤销      0100 200000 06 11  void       hold     reversed   -       supervisor
completion              预授权完成      0200 000000 06 20  complete   hold     reversed   debit   -
completion-advice       预授权完成通知  0220 000000 06 24  complete   hold     repeated   debit   advice
completion-void         预授权完成撤销  0200 200000 06 21  reopen     posting  reversed   credit  supervisor
sale                    消费            0200 000000 00 22  sell       -        reversed   debit   -
sale-void               消费撤销        0200 200000 00 23  take-back  posting  reversed   credit  supervisor
refund                  退货            0220 200000 00 25  refund     posting  repeated   credit  supervisor
balance                 余额查询        0200 310000 00 01  -          -        forgotten  -       -
"""
"""domain.md §1: name, MTI, DE3, DE25, 60.1; what it does to a hold; what it means; what its silence leads to; in which
total of a settlement it counts."""


def test_the_kinds_of_request() -> None:
    told = [line.split() for line in TABLE.strip().splitlines()]
    assert told == [
        [
            *(kind.name, kind.zh, kind.mti, kind.processing_code, kind.condition, kind.message_type),
            *(kind.act or "-", kind.means or "-", kind.silence, kind.total or "-"),
            "supervisor" if kind.supervisor else "advice" if kind.advice else "-",
        ]
        for kind in BUSINESS_KINDS
    ]


def test_each_kind_is_found_by_what_its_messages_carry() -> None:
    for kind in BUSINESS_KINDS:
        assert BY_NAME[kind.name] is kind
        assert BY_WIRE[kind.mti, kind.processing_code, kind.condition, kind.message_type] is kind
        assert BY_REVERSED[kind.processing_code, kind.condition, kind.message_type] is kind
        assert BY_NETWORK[kind.mti, kind.processing_code, kind.condition] is kind
        assert kind.needs_original == bool(kind.means)
        assert kind.of_holds == (kind.condition in ("06", "60", "18"))


def test_what_counts_in_a_total_can_be_uploaded_and_nothing_else() -> None:
    assert sorted(BY_UPLOAD) == ["20", "21", "22", "23", "24", "25"]


@pytest.mark.parametrize(
    ("entry_mode", "track2", "keyed", "stripe_of_chip"),
    [
        ("012", "", True, False),
        ("021", "6220000000000019=30122010000", False, True),
        ("022", "6220000000000019=30126010000", False, True),
        ("901", "6220000000000019=30122010000", False, True),
        ("021", "6220000000000019=30121010000", False, False),
        ("051", "6220000000000019=30122010000", False, False),
        ("071", "6220000000000019=30122010000", False, False),
        ("021", "6220000000000019=3012", False, False),
        ("", "", False, False),
    ],
)
def test_how_a_card_was_read(entry_mode: str, track2: str, keyed: bool, stripe_of_chip: bool) -> None:
    """Service codes 2xx and 6xx say that the card has a chip; what is read by the chip has no stripe to doubt."""
    card = CardPresented("6220000000000019", "3012", entry_mode, track2, b"")
    assert (card.keyed, card.stripe_of_chip_card) == (keyed, stripe_of_chip)
