"""The kinds of request as a table that a person can compare with domain tables of the trade."""

from holdfast.domain.commands import BUSINESS_KINDS, BY_NAME, BY_NETWORK, BY_REVERSED, BY_WIRE
from holdfast.domain.hold import Act

TABLE = """
pre-authorization  预授权      0100 030000 06 10  place
void               预授权撤销  0100 200000 06 11  void      original supervisor
completion         预授权完成  0200 000000 06 20  complete  original
"""


def test_the_kinds_of_request() -> None:
    told = [line.split() for line in TABLE.strip().splitlines()]
    assert told == [
        [kind.name, kind.zh, kind.mti, kind.processing_code, kind.condition, kind.message_type, kind.act]
        + ["original"] * kind.needs_original
        + ["supervisor"] * kind.supervisor
        for kind in BUSINESS_KINDS
    ]


def test_each_kind_is_found_by_what_its_messages_carry() -> None:
    for kind in BUSINESS_KINDS:
        assert Act(kind.act)
        assert BY_NAME[kind.name] is kind
        assert BY_WIRE[kind.mti, kind.processing_code, kind.condition, kind.message_type] is kind
        assert BY_REVERSED[kind.processing_code, kind.condition, kind.message_type] is kind
        assert BY_NETWORK[kind.mti, kind.processing_code, kind.condition] is kind
