"""The terminal itself: sign-on and sign-off, line, parameters, and who stands at it."""

from holdfast.edges.shell import screens, words
from holdfast.edges.shell.batch import with_device
from holdfast.edges.shell.business import show_not_ready
from holdfast.edges.shell.desk import Desk
from holdfast.edges.shell.till import NOT_READY, Value
from holdfast.edges.shell.words import Said
from holdfast.errors import HoldfastError
from holdfast.parties.operators import role_of

MENU: tuple[tuple[Said, str], ...] = (
    (words.SIGN_ON, "sign-on"),
    (words.SIGN_OFF, "sign-off"),
    (words.ECHO, "echo"),
    (words.DELIVER, "deliver"),
    (words.PARAMETERS, "parameters"),
    (words.DOWNLOAD, "download"),
    (words.OPERATOR, "operator"),
    (words.LANGUAGE, "language"),
)

_WAITING = {"sign-on": words.SIGNING_ON, "deliver": words.DELIVERING}


async def do(desk: Desk, name: str, title: Said) -> None:
    """One of the terminal's own actions."""
    if name == "parameters":
        device, _ = await with_device(desk)
        await desk.read(screens.parameters(device, desk.language))
    elif name == "operator":
        await ask_operator(desk)
    elif name == "language":
        desk.switch()
    else:
        await tell(desk, name, title)


async def tell(desk: Desk, name: str, title: Said) -> None:
    """Asked of the acquirer, and its outcome."""
    says = desk.say(_WAITING.get(name, words.ASKING), s=round(desk.till.patience_s))
    try:
        page = screens.waiting(desk.say(title), (), says, desk.language)
        value = await desk.wait(page, desk.till.do(name, desk.operator))
    except HoldfastError as error:
        await desk.read(screens.fault(str(error), desk.language))
        return
    if NOT_READY in value:
        await show_not_ready(desk, value, desk.say(title))
    elif value["outcome"] == "approved":
        await desk.read(screens.plainly(desk.say(title), desk.say(words.DONE), remark_of(desk, name, value)))
    else:
        await desk.read(screens.declined(value, desk.say(title), desk.language))


async def sign_on(desk: Desk) -> None:
    """At the start: only a sign-on that fails is worth a page."""
    says = desk.say(words.SIGNING_ON, s=round(desk.till.patience_s))
    title = desk.say(words.SIGN_ON)
    value = await desk.wait(screens.waiting(title, (), says, desk.language), desk.till.do("sign-on", desk.operator))
    if value["outcome"] != "approved":
        await desk.read(screens.declined(value, title, desk.language))


def remark_of(desk: Desk, name: str, value: Value) -> str:
    """What is worth saying of something that was done."""
    if name == "echo":
        return desk.say(words.LINE_ALIVE)
    if name == "deliver":
        left = int(value.get("left") or 0)
        return desk.say(words.STILL_WAITS, n=left) if left else desk.say(words.NOTHING_WAITS)
    return ""


async def ask_operator(desk: Desk) -> None:
    """Who stands at the terminal now; the language can be switched here, too."""
    while True:
        asked = (words.OPERATOR_NUMBER, words.OPERATOR_FORM)
        answer = await desk.ask(desk.say(words.ASK_OPERATOR), (), asked, parse_operator)
        if answer != SWITCH:
            desk.operator = answer
            return
        desk.switch()


SWITCH = "language"


def parse_operator(text: str) -> str | Said:
    """An operator's number, or SWITCH."""
    if text in ("l", "L"):
        return SWITCH
    return text if role_of(text) is not None else words.OPERATOR_WRONG
