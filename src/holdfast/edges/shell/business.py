"""The cashier's requests: entered, asked, and their outcome shown so that nobody takes unknown for anything else."""

from holdfast.domain.commands import BALANCE, BY_NAME, Silence
from holdfast.domain.responses import WRONG_PIN
from holdfast.edges.shell import entry, screens, words
from holdfast.edges.shell.desk import Desk
from holdfast.edges.shell.entry import Form
from holdfast.edges.shell.layout import paragraph
from holdfast.edges.shell.till import NOT_READY, Value
from holdfast.edges.shell.words import Said
from holdfast.edges.slip import slip, with_held
from holdfast.errors import HoldfastError
from holdfast.parties.entered import KINDS
from holdfast.parties.settings import parameters_from
from holdfast.runtime.pos import SILENT

MENU_HOLDS: tuple[tuple[Said, str], ...] = (
    (words.PRE_AUTH, "pre-auth"),
    (words.INCREMENT, "increment"),
    (words.COMPLETE, "complete"),
    (words.ADVISE, "advise"),
    (words.VOID, "void"),
    (words.VOID_COMPLETION, "void-completion"),
    (words.MOTO, "moto"),
)
MENU_SALES: tuple[tuple[Said, str], ...] = (
    (words.SALE, "sale"),
    (words.VOID_SALE, "void-sale"),
    (words.REFUND, "refund"),
)


async def request(desk: Desk, name: str, title: Said) -> None:
    """One request from its first question to its outcome; a wrong PIN is entered again. Back where it is left."""
    device = await desk.till.device()
    form = Form(KINDS[name], desk.say(title), parameters_from(device.parameters if device else ""))
    if form.kind.needs_original:
        await entry.ask_original(desk, form)
    await entry.ask_card(desk, form)
    if form.kind is not BALANCE:
        await entry.ask_amount(desk, form)
    await entry.ask_agreement(desk, form)
    while True:
        await entry.ask_pin(desk, form)
        value = await asked(desk, form, name)
        if value is None or value.get("response_code") != WRONG_PIN:
            return


async def asked(desk: Desk, form: Form, name: str) -> Value | None:
    """What was entered is asked, and its outcome shown; None where the terminal itself failed."""
    says = desk.say(words.ASKING, s=round(desk.till.patience_s))
    page = screens.waiting(form.title, form.facts, says, desk.language)
    try:
        value = await desk.wait(page, desk.till.ask(name, form.arguments, form.presented, desk.operator))
    except HoldfastError as error:
        await desk.read(screens.fault(str(error), desk.language))
        return None
    await show_outcome(desk, value, form.title)
    return value


async def show_outcome(desk: Desk, value: Value, title: str) -> None:
    """The page that fits the outcome."""
    outcome = str(value["outcome"])
    if NOT_READY in value:
        await show_not_ready(desk, value, title)
    elif outcome in ("approved", "stored"):
        await show_slip(desk, value)
    elif outcome == "declined" and not value.get("trace_key"):
        advice = None if desk.till.linked else words.NO_LINE_ADVICE
        await desk.read(screens.not_begun(value, title, desk.language, advice))
    elif outcome == "declined":
        await desk.read(screens.declined(value, title, desk.language))
    else:
        await show_unknown(desk, value, title)


async def show_not_ready(desk: Desk, value: Value, title: str) -> None:
    """Nothing was asked, because of the line, the sign-on, or something that is still open."""
    advice = words.NO_LINE if value[NOT_READY] == SILENT else None
    body = screens.not_begun(value, title, desk.language, advice)
    if value[NOT_READY] == SILENT:
        body += paragraph(desk.say(words.NO_LINE_ADVICE))
    elif value[NOT_READY] == "unknown":
        body += ["", *screens.banner(desk.say(words.OPEN_STILL)), *paragraph(desk.say(words.IS_UNDOING))]
    await desk.read(body)


async def show_slip(desk: Desk, value: Value) -> None:
    """The slip of what was approved, or stored."""
    device = await desk.till.device()
    sales = await desk.till.requests()
    sale = next((sale for sale in sales if sale.trace_key == value["trace_key"]), None)
    assert device is not None, "it is a terminal that asked"
    assert sale is not None, "what was asked has a row"
    shown = dict(with_held(sale, sales)) | (
        {"balance_minor": value["balance"]} if value.get("balance") is not None else {}
    )
    text = slip(shown, device, desk.language)
    kind = BY_NAME[sale.kind]
    if value["outcome"] == "stored":
        await desk.read(screens.stored(value, text, desk.language))
    else:
        await desk.read(screens.approved(value, kind, text, desk.language))


async def show_unknown(desk: Desk, value: Value, title: str) -> None:
    """Nobody knows; shown at once, and again when the reversal was acknowledged meanwhile."""
    kind = BY_NAME.get(str(value.get("kind")))
    undone = value["outcome"] == "reversed"
    page = screens.unknown(value, title, undone, desk.language)
    if kind is not None and kind.silence is Silence.REVERSED and not undone:
        undone = await desk.wait(page, desk.till.undone())
        page = screens.unknown(value, title, undone, desk.language)
    await desk.read(page)
