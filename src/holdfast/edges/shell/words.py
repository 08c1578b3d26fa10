"""Everything that the menu says, in both languages side by side."""

import re
from typing import Any, NamedTuple

from holdfast.edges.slip import Language
from holdfast.parties.operators import ADMINISTRATOR, SUPERVISOR


class Said(NamedTuple):
    """One text; called with a language and the facts that stand in it."""

    zh: str
    en: str

    def __call__(self, language: Language, **facts: Any) -> str:
        return (self.zh if language == "zh" else self.en).format(**facts)


# --- head ---------------------------------------------------------------------------------------------------------

BATCH = Said("批次", "BATCH")
OPERATOR_SHORT = Said("操作员", "OP")
LINE_UP = Said("线路通", "LINE UP")
LINE_DOWN = Said("线路断", "LINE DOWN")
SIGNED_OFF = Said("未签到", "SIGNED OFF")
UNSENT = Said("待上送{n}", "UNSENT {n}")
UNDOING = Said("冲正中", "REVERSAL")
SETTLING = Said("结算未完", "SETTLE AGAIN")
SETTLE_SOON = Said("请结算", "SETTLE SOON")

# --- menus --------------------------------------------------------------------------------------------------------

MAIN = Said("主菜单", "MAIN MENU")
HOLDS = Said("预授权类", "Pre-authorization")
SALES = Said("消费类", "Sale")
BALANCE = Said("余额查询", "Balance")
BATCH_MENU = Said("批次", "Batch")
TERMINAL = Said("终端", "Terminal")
PRE_AUTH = Said("预授权", "Pre-authorization")
INCREMENT = Said("追加预授权", "Increment")
COMPLETE = Said("预授权完成（请求）", "Completion (request)")
ADVISE = Said("预授权完成（通知）", "Completion (advice)")
VOID = Said("预授权撤销", "Pre-authorization void")
VOID_COMPLETION = Said("预授权完成撤销", "Completion void")
MOTO = Said("订购预授权", "Mail or phone order")
SALE = Said("消费", "Sale")
VOID_SALE = Said("消费撤销", "Sale void")
REFUND = Said("退货", "Refund")
SETTLE = Said("批结算", "Settle the batch")
TOTALS = Said("交易汇总", "Totals")
LAST = Said("最近交易", "Last transactions")
REPRINT = Said("重打印", "Print a slip again")
UNREGISTERED = Said("未登记通知明细", "Unsent and refused advices")
SIGN_ON = Said("签到", "Sign on")
SIGN_OFF = Said("签退", "Sign off")
ECHO = Said("回响测试", "Line test")
DELIVER = Said("立即上送", "Deliver what waits")
PARAMETERS = Said("参数", "Parameters")
DOWNLOAD = Said("下载参数", "Fetch parameters")
OPERATOR = Said("更换操作员", "Change operator")
LANGUAGE = Said("English", "中文")
BACK = Said("返回", "Back")
LEAVE = Said("退出", "Leave")
CHOOSE = Said("请选择（0-{n}，L=English）：", "Choose (0-{n}, L=中文): ")
CHOOSE_ONE = Said("请选择（0-{n}）：", "Choose (0-{n}): ")
PRESS_AGAIN = Said("再按一次 0 或 Esc 退出程序", "Press 0 or Esc again to leave the program")
NOT_AN_ENTRY = Said("请按 0 到 {n} 之间的数字", "Press a number from 0 to {n}")

# --- prompts ------------------------------------------------------------------------------------------------------

HOW_TO_LEAVE = Said("（Esc、直接回车或 0 = 返回）", "(Esc, Enter alone or 0 = back)")
HOW_TO_LEAVE_PIN = Said("（Esc 或 0 = 返回）", "(Esc or 0 = back)")
THREE_TIMES = Said("三次未输对，已返回", "Three times wrong: back to the menu")
LEFT = Said("已返回，未发送任何请求", "Left: nothing was sent")
ENTER_MORE = Said("回车=继续  0=返回：", "Enter = more, 0 = back: ")
ENTER_BACK = Said("按回车返回：", "Enter = back: ")
YES_NO = Said("1=确认  0=返回：", "1 = yes, 0 = back: ")
YES_OTHER_NO = Said("1=确认  2=改金额  0=返回：", "1 = yes, 2 = another amount, 0 = back: ")

ASK_OPERATOR = Said("请输入操作员号", "Who is at the terminal?")
OPERATOR_FORM = Said(
    f"01-20 收银员，{SUPERVISOR} 主管，{ADMINISTRATOR} 管理员",
    f"01-20 cashier, {SUPERVISOR} supervisor, {ADMINISTRATOR} administrator",
)
OPERATOR_WRONG = Said("没有此操作员：请输入两位，如 01", "No such operator: two digits are expected, like 01")
OPERATOR_NUMBER = Said("操作员号（L=English）", "Operator number (L=中文)")
NOT_HIS = Said("操作员 {who} 无权办理此项", "Operator {who} may not do this")

READ_CARD = Said("请持卡人出示卡片", "How is the card presented?")
INSERT = Said("插卡", "Insert the chip")
TAP = Said("挥卡", "Tap")
SWIPE = Said("刷卡", "Swipe the stripe")
FALLEN_BACK = Said("芯片读不出，已刷磁条", "Stripe read, the chip could not be")
KEY_IN = Said("手输卡号", "Key in the number")
CHIP_FAILED = Said("芯片读不出，降级刷卡", "The chip cannot be read: use the stripe")
HAS_CHIP = Said("此卡有芯片，须插卡", "The card has a chip: insert it")
CARD = Said("卡号", "Card")
CARD_FORM = Said("样例卡名或卡号，如 alice", "A sample card's name or number, like alice")
CARD_WRONG = Said("读不出此卡：须为样例卡名或卡号", "Not readable: a sample card's name or number is expected")
STRIPE_FORM = Said("样例卡名、卡号，或 track2:…", "A sample card's name or number, or track2:...")
STRIPE_WRONG = Said(
    "读不出磁条：须为样例卡名、卡号或 track2:…", "Not readable: a sample card's name or number, or track2:..."
)
PAN_FORM = Said("卡号 13 至 19 位", "Card number, 13 to 19 digits")
PAN_WRONG = Said("卡号有误：须 13 至 19 位且校验位正确", "No card number: 13 to 19 digits with a right check digit")
EXPIRY = Said("有效期", "Expiry")
EXPIRY_FORM = Said("有效期 YYMM，如 3012", "Expiry, YYMM, like 3012")
EXPIRY_WRONG = Said("有效期须为 YYMM，如 3012", "Expiry is YYMM, like 3012")
OTHER_CARD = Said("不是原签购单上的卡：应为尾号 {last4}", "Not the card of that slip, which ends in {last4}")
PIN = Said("密码", "PIN")
PIN_FORM = Said("请持卡人输入密码，无密码直接回车", "The cardholder enters the PIN; Enter alone = none")
PIN_WRONG = Said("密码须为 4 至 12 位数字", "A PIN is 4 to 12 digits")
NO_PIN_YET = Said("本交易必须输密码", "This request wants the PIN")

AMOUNT = Said("金额", "Amount")
AMOUNT_FORM = Said("金额（元），如 500.00", "Amount in yuan, like 500.00")
AMOUNT_WRONG = Said(
    "金额须如 500.00 或 1,234.50，且大于零", "An amount is written like 500.00 or 1,234.50 and is more than nothing"
)
AMOUNT_FULL = Said("原交易全额", "The whole amount of the original")
AMOUNT_AGAIN = Said("大额：请核对上面的金额，再输一次", "A large amount: is it the one above? Type it once more")
AMOUNT_DIFFERS = Said("与前次不一致：前次为 {amount}", "Not the same as before: that was {amount}")

ORIGINAL = Said("原交易", "Original")
CODE = Said("原授权码", "Auth code")
CODE_FORM = Said("原签购单上的授权码（6位）", "Authorization code on the slip, 6 characters")
CODE_WRONG = Said(
    "授权码为 6 位字母或数字，请照签购单核对", "An authorization code is 6 letters and digits: look at the slip"
)
CODE_OR_RRN_FORM = Said(
    "原授权码（6位）或参考号（12位）", "Authorization code (6) or reference number (12) of the slip"
)
CODE_OR_RRN_WRONG = Said("须为授权码（6位）或参考号（12位）", "An authorization code (6) or a reference number (12)")
RRN = Said("原参考号", "Ref number")
RRN_FORM = Said("原签购单上的参考号（12位）", "Reference number on the slip, 12 characters")
RRN_WRONG = Said("参考号为 12 位字母或数字", "A reference number is 12 letters and digits")
DATE = Said("原日期", "Date")
DATE_FORM = Said("原签购单上的日期 MMDD，如 1122", "Date on the slip, MMDD, like 1122")
DATE_WRONG = Said("日期须为 MMDD，如 1122", "A date is MMDD, like 1122")
LAST4 = Said("卡号尾号", "Last four")
LAST4_FORM = Said("原签购单上卡号的后四位", "The last four digits of the card on the slip")
LAST4_WRONG = Said("后四位须为 4 位数字", "The last four are 4 digits")
NOT_OURS = Said("非本机交易：请照签购单输入", "Not of this terminal: copy it from the slip")
AGREES = Said("主管", "Supervisor")
SUPERVISOR_FORM = Said(f"主管 {SUPERVISOR} 同意？请输主管号", f"Supervisor {SUPERVISOR} agrees? Number")
SUPERVISOR_WRONG = Said(f"须主管 {SUPERVISOR} 同意", f"Only supervisor {SUPERVISOR} can agree")
CONFIRM = Said("请核对", "Please check")

# --- waiting ------------------------------------------------------------------------------------------------------

ASKING = Said("正在请求收单机构…（最多 {s} 秒）", "Asking the acquirer... (up to {s} s)")
SETTLING_NOW = Said("正在结算，请勿断电…", "Settling, do not switch off...")
SIGNING_ON = Said("正在签到…（最多 {s} 秒）", "Signing on... (up to {s} s)")
DELIVERING = Said("正在上送…（最多 {s} 秒）", "Delivering what waits... (up to {s} s)")
PLEASE_WAIT = Said("请勿取走卡片，请勿重复操作。", "Leave the card in. Do not begin anew.")
ELAPSED = Said("已等待 {s} 秒", "{s} s")
INTERRUPTED = Said(
    "不能中断：请求已记入流水。再按 Ctrl-C 则退出，结果未明时下次启动自动查清或冲正。",
    "It cannot be called back: it is journaled. Ctrl-C again leaves; the next start finds it out.",
)
STARTING = Said("正在连接收单机构…", "Connecting to the acquirer...")

# --- outcomes -----------------------------------------------------------------------------------------------------

APPROVED = Said("交易成功", "APPROVED")
DONE = Said("办理成功", "DONE")
DECLINED = Said("交易失败", "DECLINED")
UNKNOWN = Said("结果未明", "OUTCOME UNKNOWN")
STORED = Said("已存储，待上送", "STORED, NOT YET REGISTERED")
NOT_BEGUN = Said("未受理，未发送任何请求", "NOT BEGUN: NOTHING WAS SENT")
RESPONSE = Said("应答码", "Response")
MEANING = Said("含义", "Meaning")
DO_THIS = Said("处理", "What to do")
REASON = Said("原因", "Reason")
AUTH_NO = Said("授权码", "AUTH NO")
ENTRY = Said("登记条目", "Register")
TRACE_KEY = Said("交易索引", "Trace key")
AVAILABLE = Said("可用余额", "Available")
GIVE_SLIP = Said("请持卡人签名，签购单交持卡人一联。", "Get the signature; the cardholder gets a copy.")
KEEP_CODE = Said(
    "完成、追加、撤销均凭此授权码，请保留签购单。",
    "This code completes, increments or voids it: keep the slip.",
)
DO_NOT_RETAKE = Said("请勿再次收款，请勿重做。", "DO NOT TAKE IT AGAIN.")
IS_UNDOING = Said(
    "本笔不算成功。终端正在冲正（撤回）这笔请求，直到收单机构确认；期间不能做新交易。",
    "It does not count as taken. The terminal is undoing it until the acquirer confirms; nothing new begins before.",
)
IS_UNDONE = Said(
    "收单机构已确认冲正：没有扣款或冻结。持卡人同意后可以重新办理。",
    "The acquirer has confirmed that it is undone: nothing is held or charged. It may now be asked anew.",
)
IS_REPEATED = Said(
    "终端会自动重发，直到收单机构应答；请勿再做一笔。",
    "The terminal tells it again by itself until it is answered. Do not enter it a second time.",
)
IS_FORGOTTEN = Said("余额未查到，没有任何扣款。请重新查询。", "No balance was told and nothing was charged. Ask again.")
IS_STORED = Said(
    "完成通知已存入终端，尚未在收单机构登记。终端会自动上送，直到应答。请勿再做一笔，请留存签购单。",
    "The advice is stored in this terminal and not registered yet. It is told by itself until it is answered. "
    "Do not enter it a second time; keep the slip.",
)
SETTLE_AGAIN = Said("批次未结：请再次结算，终端从中断处继续。", "The batch is not closed: settle again, it goes on.")
NEXT_BATCH = Said("新批次 {batch}", "Next batch {batch}")
FAULT = Said("终端故障", "TERMINAL FAULT")
FAULT_ADVICE = Said(
    "结果可能未明：请勿再次收款。退出后重新启动本程序，终端会查清。",
    "The outcome may be unknown: do not take it again. Leave and start anew; the terminal finds it out.",
)
OPEN_STILL = Said("前一笔仍未了结", "AN EARLIER REQUEST IS STILL OPEN")
NO_LINE = Said("收单机构无应答，请检查线路", "The acquirer does not answer: check the line")
NO_LINE_ADVICE = Said("可做“预授权完成（通知）”，线路恢复后自动上送。", "A completion by advice needs no line.")
NOTHING_WAITS = Said("没有待上送的交易", "Nothing waits")
STILL_WAITS = Said("仍有 {n} 笔待上送，终端会继续上送", "{n} wait still; the terminal goes on telling them")
LINE_ALIVE = Said("线路正常", "The line is alive")
JOURNAL = Said("终端流水", "The terminal's journal")
READ_THIS = Said("请阅读", "Please read")
NEVER_LOADED = Said("终端未装密钥", "The terminal was never loaded")

LEAVING = Said("再见。", "Good-bye.")
LEFT_IN_FLIGHT = Said(
    "{key} 结果未明：下次启动时自动查清或冲正，请勿重做。",
    "The outcome of {key} is unknown: the next start finds it out or undoes it. Do not take it again.",
)
LEFT_REVERSAL = Said(
    "冲正 {key} 未确认：下次启动时继续。", "Reversal {key} is not acknowledged: the next start goes on."
)
LEFT_UNSENT = Said("待上送 {n} 笔：下次启动时继续。", "{n} advices are not registered: the next start tells them.")
LEFT_SETTLING = Said("结算 {key} 未完：请再次结算。", "Settlement {key} is not over: settle again.")

# --- lists --------------------------------------------------------------------------------------------------------

TIME = Said("时间", "TIME")
TRACE = Said("凭证", "TRACE")
KIND = Said("交易", "KIND")
OUTCOME = Said("结果", "OUTCOME")
COUNT = Said("笔数", "COUNT")
CARD_TAIL = Said("卡", "CARD")
AUTH = Said("授权码", "AUTH")
NO_TRANSACTIONS = Said("本机还没有交易", "No transactions yet")
NO_SLIP = Said("没有可重打印的签购单", "There is no such slip")
WHICH_SLIP = Said("凭证号，S=结算单，回车=最后一笔", "Trace number, S = settlement, Enter = the last one")
WHICH_SLIP_WRONG = Said("须为 6 位以内凭证号、S，或直接回车", "A trace number of up to 6 digits, S, or Enter alone")
DOMESTIC = Said("内卡", "Domestic")
FOREIGN = Said("外卡", "Foreign")
DEBIT = Said("借记", "Debit")
CREDIT = Said("贷记", "Credit")
NOT_COUNTED = Said("待上送、未计入：{n} 笔", "Not registered yet and not counted: {n}")
USED = Said("流水已用 {n}/{most}", "{n} of {most} requests used")
SETTLE_NOW = Said(
    "结算后本批次关闭，不能再撤销。", "Settling closes the batch: what is in it cannot be voided any more."
)

OUTCOMES = {
    "asked": Said("请求中", "ASKED"),
    "approved": Said("成功", "APPROVED"),
    "declined": Said("失败", "DECLINED"),
    "unknown": Said("未明", "UNKNOWN"),
    "stored": Said("待上送", "UNSENT"),
    "reversed": Said("已冲正", "REVERSED"),
}

PARAMETER_NAMES = {
    "journal_capacity": Said("流水容量", "Journal holds"),
    "keyed": Said("手输卡号", "Keyed cards"),
    "fallback": Said("降级刷卡", "Fallback"),
    "floor_minor": Said("通知类完成限额", "Advice up to"),
    "void_pin": Said("撤销输密码", "PIN at voids"),
    "void_card": Said("撤销须刷卡", "Card at voids"),
    "balanced_upload": Said("对账平时上送", "Upload if equal"),
    "supervisor_kinds": Said("须主管同意", "Supervisor for"),
}
PARAMETER_VALUES = {
    "allowed": Said("允许", "allowed"),
    "never": Said("不允许", "never"),
    "optional": Said("可选", "optional"),
    "asked": Said("必须", "wanted"),
    "chips": Said("芯片交易", "chip requests"),
}
MERCHANT = Said("商户", "Merchant")
MERCHANT_ID = Said("商户编号", "Merchant no")
TERMINAL_ID = Said("终端编号", "Terminal no")
TRACE_LAST = Said("最后凭证号", "Last trace")
NO_LIMIT = Said("不限", "no limit")

# --- what the terminal itself says against a request --------------------------------------------------------------

_REASONS = (
    (r"a request is in flight", "前一笔还在处理中"),
    (r"trace numbers .* settle first", "凭证号用完，请先结算"),
    (r"acquirer not reachable", "收单机构连接不上"),
    (r"the batch is being settled", "本批次结算未完，请再次结算"),
    (r"the journal is full", "流水已满，请先结算"),
    (r"(sign-on: )?not signed on", "未签到"),
    (r"a reversal waits", "有冲正待确认"),
    (r"no own pre-authorization has code", "本机无此预授权：请输入金额"),
    (r"no own completion or sale has code", "本机无此交易：请输入参考号"),
    (r"the card has a chip", "此卡有芯片，须插卡"),
    (r"a card whose chip failed", "本机不允许降级刷卡"),
    (r"card numbers may not be typed in", "本机不允许手输卡号"),
    (r"an order by mail or phone", "订购交易须手输卡号"),
    (r"a .* wants the card itself", "撤销须出示卡片"),
    (r"a .* wants the cardholder's PIN", "撤销须输密码"),
    (r"above ([0-9.]+) a completion must be asked", r"金额超过 \1，须做预授权完成（请求）"),
    (r"the PIN cannot be encrypted", "密码无法加密，请先签到"),
    (r"a request or reversal is open", "有未了结的请求或冲正"),
    (r"still open", "前一笔仍未了结"),
    (r"the acquirer did not answer", "收单机构未应答"),
    (r"this terminal was never loaded", "终端未装密钥"),
    (r"not balanced", "对账不平"),
    (r"operator .* is", "该操作员无权办理"),
)


def reason_in(language: Language, reason: str) -> str:
    """Why not, as the terminal says it; in Chinese where it is one of the usual reasons, its English behind it."""
    if language == "en" or not reason:
        return reason
    for pattern, zh in _REASONS:
        found = re.search(pattern, reason)
        if found:
            return found.expand(zh)
    return reason
