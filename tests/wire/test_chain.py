"""The text of the private field, and what is not ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.ids import entry_id
from holdfast.wire.chain import (
    ChainRequest,
    ChainResponse,
    pack_request,
    pack_response,
    parse_request,
    parse_response,
)
from holdfast.wire.dialect import UNIONPAY

HASHES = st.text("0123456789abcdef", min_size=16, max_size=16)
ENTRIES = st.builds(entry_id, st.sampled_from(["A", "B12", "acquirer1"]), st.integers(0, 10**12))


def test_what_a_chain_looks_like() -> None:
    assert pack_request(ChainRequest(7, "0123456789abcdef", "A-000123")) == "HF1|7|0123456789abcdef|A-000123"
    assert pack_request(ChainRequest(0, "0" * 16, "")) == "HF1|0|0000000000000000|"
    assert pack_response(ChainResponse("A-000123")) == "HF1|A-000123"


@given(st.builds(ChainRequest, st.integers(0, 10**18 - 1), HASHES, st.one_of(st.just(""), ENTRIES)))
def test_a_request_is_read_as_it_was_written(chain: ChainRequest) -> None:
    text = pack_request(chain)
    assert parse_request(text) == chain
    assert parse_response(text) is None
    assert len(text) <= UNIONPAY.fields[57].length


@given(ENTRIES)
def test_a_response_is_read_as_it_was_written(entry: str) -> None:
    assert parse_response(pack_response(ChainResponse(entry))) == ChainResponse(entry)
    assert parse_request(pack_response(ChainResponse(entry))) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HF1",
        "HF1|",
        "HF2|7|0123456789abcdef|A-000123",
        "HF1|07|0123456789abcdef|",
        "HF1|-7|0123456789abcdef|",
        "HF1|٧|0123456789abcdef|",
        "HF1|7|0123456789ABCDEF|",
        "HF1|7|0123456789abcde|",
        "HF1|7|0123456789abcdef",
        "HF1|7|0123456789abcdef|A",
        "HF1|7|0123456789abcdef|A-000123\n",
        "HF1|A-123",
        "another scheme's text",
    ],
)
def test_what_is_not_ours(text: str) -> None:
    assert parse_request(text) is None
    assert parse_response(text) is None


@pytest.mark.parametrize(
    "chain", [ChainRequest(-1, "0" * 16, ""), ChainRequest(1, "0", ""), ChainRequest(1, "0" * 16, "A|B")]
)
def test_a_wrong_request_is_not_written(chain: ChainRequest) -> None:
    with pytest.raises(WireError, match="field 57 at byte 0"):
        pack_request(chain)


def test_a_response_names_an_entry() -> None:
    with pytest.raises(WireError, match="field 57 at byte 0: not a register entry"):
        pack_response(ChainResponse(""))
