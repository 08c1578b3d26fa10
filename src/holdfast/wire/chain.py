"""A private field (DE57) carries the terminal journal's chain: which link this message is, and what came before it.

Request: `HF1|<sequence>|<link, 16 hex>|<last register entry, or empty>`. Response: `HF1|<register entry>`.
A terminal that knows nothing of this field is served all the same, so text that is not ours is None, never an error.
"""

import re
from typing import NamedTuple

from holdfast.errors import WireError

CHAIN_FIELD = 57
"""A private field that the scheme leaves free. Which one is our choice: the dialect's row follows this number."""

ENTRY = r"[A-Za-z0-9]{1,20}-[0-9]{6,18}"
"""The form of a register entry's name."""
_REQUEST = re.compile(rf"HF1\|(0|[1-9][0-9]{{0,17}})\|([0-9a-f]{{16}})\|({ENTRY})?")
_RESPONSE = re.compile(rf"HF1\|({ENTRY})")


class ChainRequest(NamedTuple):
    """What a terminal says of its journal: the number of its entry, its link, the last register entry it was given.

    The link is a hash over the entry before it and the instant of this one: two devices that go on from one copied
    journal make different links under the same trace key, so that the second is never taken for a repeat. In a sign-on
    it names the journal instead, and is always the same: a device with another one is another device.
    """

    sequence: int
    link: str
    last_entry: str


class ChainResponse(NamedTuple):
    """What the acquirer answers: the entry under which the request is registered."""

    register_entry: str


def pack_request(chain: ChainRequest) -> str:
    """The text of DE57 in a request; WireError when a part does not have its form."""
    text = f"HF1|{chain.sequence}|{chain.link}|{chain.last_entry}"
    if _REQUEST.fullmatch(text) is None:
        raise WireError(CHAIN_FIELD, 0, "not a sequence, 16 hex digits of a link, and a register entry or nothing")
    return text


def parse_request(text: str) -> ChainRequest | None:
    """The text of DE57 in a request, None when it is not ours."""
    match = _REQUEST.fullmatch(text)
    if match is None:
        return None
    return ChainRequest(int(match[1]), match[2], match[3] or "")


def pack_response(chain: ChainResponse) -> str:
    """The text of DE57 in a response; WireError when it names no register entry."""
    text = f"HF1|{chain.register_entry}"
    if _RESPONSE.fullmatch(text) is None:
        raise WireError(CHAIN_FIELD, 0, "not a register entry")
    return text


def parse_response(text: str) -> ChainResponse | None:
    """The text of DE57 in a response, None when it is not ours."""
    match = _RESPONSE.fullmatch(text)
    return None if match is None else ChainResponse(match[1])
