"""The cashier's requests as commands: each is a row of ACTIONS, whose options are made from it."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

import typer

from holdfast.domain.records import DEVICES, Device
from holdfast.edges.counter import Counter, Value, at_work
from holdfast.edges.terminal_cards import Presented, asking_chip, card_of, pin_of, refuses
from holdfast.errors import BadInput, HoldfastError
from holdfast.ids import parse_trace_key
from holdfast.money import parse_amount
from holdfast.parties.entered import KINDS, check_allowed, wanted_of
from holdfast.parties.pos_messages import UNUSABLE
from holdfast.parties.settings import Parameters, parameters_from
from holdfast.runtime.pos import Pos, file_of
from holdfast.store.sqlite import SqliteReader
from holdfast.store.sqlite_wal import wal_of

Text = str | None

OPTIONS: dict[str, Any] = {
    "amount": Annotated[Text, typer.Option("--amount", help="Like 500.00.")],
    "card": Annotated[Text, typer.Option("--card", help="A sample card's name, a card number, or track2:…")],
    "expiry": Annotated[Text, typer.Option("--expiry", help="Expiry of the card, YYMM.")],
    "pin": Annotated[Text, typer.Option("--pin", help="The cardholder's PIN; - asks for it without showing it.")],
    "tap": Annotated[bool, typer.Option("--tap", help="The card is tapped instead of inserted.")],
    "swipe": Annotated[bool, typer.Option("--swipe", help="The card's stripe is read.")],
    "keyed": Annotated[bool, typer.Option("--keyed", help="The card's number is typed in.")],
    "fallback": Annotated[bool, typer.Option("--fallback", help="Its chip failed: the stripe is read instead.")],
    "original": Annotated[Text, typer.Option("--original", help="Authorization code of the original.")],
    "date": Annotated[Text, typer.Option("--date", help="Date of the original, MMDD.")],
    "rrn": Annotated[Text, typer.Option("--rrn", help="Reference number (RRN) of the original.")],
    "trace": Annotated[Text, typer.Option("--trace", help="Trace key of the original, or batch/trace.")],
}
"""Every option that a request may have; where it is not given it is None, or false."""

READ = ("card", "expiry", "tap", "swipe", "keyed", "fallback")
CARD = (*READ, "pin")
HOLD = ("original", "date")
POSTING = ("original", "rrn", "trace", "date")


class Action(NamedTuple):
    """One command: what it says of itself, its options, and those that must be given."""

    help: str
    options: tuple[str, ...]
    needed: tuple[str, ...]


ACTIONS = {
    "pre-auth": Action("Place a hold. 预授权", ("amount", *CARD), ("amount", "card")),
    "increment": Action("Add to a hold. 追加预授权", ("original", "amount", *CARD), ("original", "amount", "card")),
    "moto": Action(
        "Place a hold for an order by mail or phone. 订购预授权", ("amount", "card", "expiry"), ("amount", "card")
    ),
    "complete": Action(
        "Claim the final amount of a hold; the rest is released. 预授权完成",
        (*HOLD, "amount", *CARD),
        ("original", "amount", "card"),
    ),
    "advise": Action(
        "Tell of a completion that was agreed upon without the acquirer. 预授权完成通知",
        (*HOLD, "amount", *READ),
        ("original", "amount", "card"),
    ),
    "void": Action(
        "Give a hold back in full; a supervisor must agree. 预授权撤销", (*HOLD, "amount", *CARD), ("original", "card")
    ),
    "void-completion": Action(
        "Take a completion back: the hold stands again; a supervisor must agree. 预授权完成撤销",
        (*POSTING, "amount", *CARD),
        ("card",),
    ),
    "sale": Action("Sell at once. 消费", ("amount", *CARD), ("amount", "card")),
    "void-sale": Action("Take a sale back; a supervisor must agree. 消费撤销", (*POSTING, "amount", *CARD), ("card",)),
    "refund": Action(
        "Give money back, in part or in full; a supervisor must agree. 退货",
        (*POSTING, "amount", *READ),
        ("amount", "card"),
    ),
    "balance": Action("What is available on the card? 余额查询", CARD, ("card",)),
}


def command_of(name: str, action: Action) -> Callable[..., None]:
    """The function that the command line calls, with the options of its row."""

    def command(context: typer.Context, **given: Any) -> None:
        business(context.obj, name, action, given)

    kinds = {"context": typer.Context, **{option: OPTIONS[option] for option in action.options}}
    command.__doc__, command.__annotations__ = action.help, kinds
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    rest = [
        inspect.Parameter(
            option,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if kinds[option].__origin__ is bool else None,
            annotation=kinds[option],
        )
        for option in action.options
    ]
    command.__signature__ = inspect.Signature([first, *rest])  # type: ignore[attr-defined]
    return command


def business(counter: Counter, name: str, action: Action, given: Mapping[str, Any]) -> NoReturn:
    """One of the cashier's requests; BadInput when the terminal itself would turn it down."""
    if counter.repeat is not None:
        send_again(counter, counter.repeat)
    missing = [f"--{option}" for option in action.needed if not given.get(option)]
    if action.options[: len(POSTING)] == POSTING and not (given.get("original") or given.get("rrn")):
        missing.insert(0, "--original")
    if missing:
        raise BadInput(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    arguments, presented = entered(counter, name, given)
    check_allowed(wanted_of(KINDS[name], arguments), parameters_of(counter))
    asking = partial(asked, name=name, arguments=arguments, presented=presented, operator=counter.operator)
    at_work(counter, asking, offline=KINDS[name].advice)


def entered(counter: Counter, name: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], Presented]:
    """The arguments of the request as the terminal wants them, and the card before it."""
    get = given.get
    read = {"tap": bool(get("tap")), "swipe": bool(get("swipe") or get("fallback")), "keyed": bool(get("keyed"))}
    presented = card_of(str(get("card")), get("expiry"), KINDS[name], **read)
    batch, stan = trace_of(get("trace"))
    arguments = {
        "amount_minor": parse_amount(get("amount") or "") if get("amount") else None,
        "card": presented.card,
        "pin": pin_of(get("pin")) or None,
        "fallback": get("fallback") or None,
        "authorization_code": get("original"),
        "date": get("date"),
        "rrn": get("rrn"),
        "original_batch": batch,
        "original_stan": stan,
        "supervisor": counter.supervisor,
    }
    return {key: value for key, value in arguments.items() if value is not None}, presented


def trace_of(text: str | None) -> tuple[str | None, str | None]:
    """`--trace`: a trace key, or batch and trace of this terminal's."""
    if text is None:
        return None, None
    if text.count("/") == 1:
        batch, stan = text.split("/")
        return batch, stan
    key = parse_trace_key(text)
    return key.batch, key.stan


def parameters_of(counter: Counter) -> Parameters:
    """What the acquirer has set at this terminal, as far as it is known before anything is opened."""
    path = file_of(counter.folder, counter.terminal_id)
    log = wal_of(path)
    if not path.exists() or (log.exists() and log.stat().st_size):
        # What was not closed well is checked before it is read: the terminal will say what it does not allow.
        return Parameters()
    try:
        device = asyncio.run(device_in(path, counter.terminal_id))
    except HoldfastError:
        return Parameters()
    return parameters_from(device.parameters) if device is not None else Parameters()


async def device_in(path: Path, terminal_id: str) -> Device | None:
    """The terminal's own row in a file that is opened for writing next."""
    reader = SqliteReader(path)
    try:
        device: Device | None = await reader.row(DEVICES, terminal_id)
        return device
    finally:
        await reader.close()


async def asked(pos: Pos, name: str, arguments: Mapping[str, Any], presented: Presented, operator: str) -> Value:
    """The request, and what the chip says to its answer: an approval that it refuses is reversed."""
    card = await asking_chip(pos, presented, KINDS[name], arguments)
    value = await pos.ask(name, {**arguments, "card": card}, operator)
    if refuses(presented, value):
        value = await pos.tell("reverse", {"trace_key": value["trace_key"], "reason": UNUSABLE}, operator)
    return {key: told for key, told in value.items() if key != "chip"}


def send_again(counter: Counter, trace_key: str) -> NoReturn:
    """--repeat."""
    key = str(parse_trace_key(trace_key))
    at_work(counter, lambda pos: asked_again(pos, key, counter.operator))


async def asked_again(pos: Pos, trace_key: str, operator: str) -> Value:
    """The same request on the wire once more."""
    value = await pos.ask("repeat", {"trace_key": trace_key}, operator)
    return {key: told for key, told in value.items() if key != "chip"}


def add_to(app: typer.Typer) -> None:
    """All of them, in the order of the table."""
    for name, action in ACTIONS.items():
        app.command(name)(command_of(name, action))
