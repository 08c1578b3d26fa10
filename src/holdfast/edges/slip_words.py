"""The words on slips, in both languages. A label has at most twelve columns with its colon: a value follows."""

from typing import Literal, NamedTuple

Language = Literal["zh", "en"]


class Words(NamedTuple):
    """Everything that is printed and is not a fact; `outcomes` and `unheard` by the names of the domain."""

    title: str
    balance_title: str
    merchant: str
    merchant_id: str
    terminal: str
    operator: str
    supervisor: str
    card: str
    kind: str
    batch_and_trace: str
    authorization: str
    reference: str
    at: str
    amount: str
    held: str
    hold_stands: str
    available: str
    entry: str
    original: str
    remark: str
    signature: str
    consent: str
    no_signature: str
    look_up: str
    outcomes: dict[str, str]
    unheard: dict[str, str]
    """An unknown outcome, by what is done about the silence."""
    settlement_title: str
    domestic: str
    foreign: str
    debit: str
    credit: str
    centre: str
    net: str
    replies: dict[str, str]
    settled: str
    to_upload: str
    not_settled: str
    failed_title: str
    refused: str
    waiting: str
    none: str
    total: str
    keep_slips: str


REPRINT = "*** 重打印 DUPLICATE ***"
"""In both languages on every reprint: nobody may take it for another payment."""

_ZH = Words(
    title="签购单",
    balance_title="余额查询",
    merchant="商户名称",
    merchant_id="商户编号",
    terminal="终端编号",
    operator="操作员号",
    supervisor="主管",
    card="卡号",
    kind="交易类型",
    batch_and_trace="批次/凭证",
    authorization="授权码",
    reference="参考号",
    at="日期时间",
    amount="金额",
    held="本机合计",
    hold_stands="预授权恢复",
    available="可用余额",
    entry="登记条目",
    original="原交易",
    remark="备注",
    signature="持卡人签名",
    consent="确认以上交易，同意记入本卡账户",
    no_signature="无需持卡人签名",
    look_up="请先查询，勿直接重做",
    outcomes={
        "approved": "交易成功",
        "declined": "交易失败",
        "reversed": "已冲正：交易未成功",
        "stored": "已存储，待上送：尚未登记",
    },
    unheard={
        "reversed": "结果未明，正在冲正：交易未成功",
        "repeated": "结果未明，将自动重发",
        "forgotten": "无应答，请重新查询",
    },
    settlement_title="结算单",
    domestic="内卡",
    foreign="外卡",
    debit="借记",
    credit="贷记",
    centre="中心",
    net="净额",
    replies={"0": "未应答", "1": "对账平", "2": "对账不平", "3": "对账出错"},
    settled="对账平，批次已结",
    to_upload="对账不平，须批上送",
    not_settled="未得应答，批次未结",
    failed_title="未登记通知明细",
    refused="被拒绝",
    waiting="未送达，待上送",
    none="无",
    total="合计",
    keep_slips="请留存签购单并联系收单机构",
)

_EN = Words(
    title="SALES SLIP",
    balance_title="BALANCE",
    merchant="MERCHANT",
    merchant_id="MERCHANT NO",
    terminal="TERMINAL NO",
    operator="OPERATOR",
    supervisor="SUPERVISOR",
    card="CARD NO",
    kind="TYPE",
    batch_and_trace="BATCH/TRACE",
    authorization="AUTH NO",
    reference="REF NO",
    at="DATE/TIME",
    amount="AMOUNT",
    held="HELD HERE",
    hold_stands="THE HOLD STANDS AGAIN",
    available="AVAILABLE",
    entry="REGISTER",
    original="ORIGINAL",
    remark="REMARK",
    signature="SIGNATURE",
    consent="I AGREE TO THIS TRANSACTION",
    no_signature="NO SIGNATURE NEEDED",
    look_up="LOOK IT UP BEFORE TRYING AGAIN",
    outcomes={
        "approved": "APPROVED",
        "declined": "DECLINED",
        "reversed": "REVERSED",
        "stored": "STORED, NOT YET REGISTERED",
    },
    unheard={
        "reversed": "OUTCOME UNKNOWN, BEING REVERSED",
        "repeated": "OUTCOME UNKNOWN, SENT AGAIN",
        "forgotten": "NO ANSWER, ASK AGAIN",
    },
    settlement_title="SETTLEMENT",
    domestic="DOMESTIC",
    foreign="FOREIGN",
    debit="DEBIT",
    credit="CREDIT",
    centre="CENTRE",
    net="NET",
    replies={"0": "NOT ANSWERED", "1": "BALANCED", "2": "NOT BALANCED", "3": "ERROR"},
    settled="BALANCED, BATCH CLOSED",
    to_upload="NOT BALANCED, BATCH UPLOAD DUE",
    not_settled="NO ANSWER, BATCH STILL OPEN",
    failed_title="ADVICES NOT REGISTERED",
    refused="REFUSED",
    waiting="NOT DELIVERED, STORED",
    none="NONE",
    total="TOTAL",
    keep_slips="KEEP THE SLIPS, CALL THE ACQUIRER",
)

WORDS: dict[str, Words] = {"zh": _ZH, "en": _EN}

KINDS_EN = {
    "moto-pre-authorization": "MOTO PRE-AUTH",
    "void": "PRE-AUTH VOID",
    "completion-advice": "COMPLETION ADVICE",
    "completion-void": "COMPLETION VOID",
    "sale-void": "SALE VOID",
}
"""Kinds whose English name on paper is not just their name."""
