"""The first shape of the acquirer's schema. Released migrations are never edited: a change is a new revision."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS = (
    """CREATE TABLE "logs" (
        "log" text COLLATE "C" NOT NULL,
        "holder" text COLLATE "C" NOT NULL,
        "epoch" bigint NOT NULL,
        "batch" bigint NOT NULL,
        "size" bigint NOT NULL,
        "frontier" bytea NOT NULL,
        "previous" bytea NOT NULL,
        "lease_until_us" bigint NOT NULL,
        PRIMARY KEY ("log")
    )""",
    """CREATE TABLE "entries" (
        "log" text COLLATE "C" NOT NULL,
        "number" bigint NOT NULL,
        "at_us" bigint NOT NULL,
        "kind" text COLLATE "C" NOT NULL,
        "body" bytea NOT NULL,
        "leaf" bytea NOT NULL,
        PRIMARY KEY ("log", "number")
    )""",
    """CREATE INDEX "entries_finding" ON "entries" ("log", "number") WHERE "kind" = 'finding'""",
    """CREATE TABLE "nodes" (
        "log" text COLLATE "C" NOT NULL,
        "level" bigint NOT NULL,
        "index" bigint NOT NULL,
        "hash" bytea NOT NULL,
        PRIMARY KEY ("log", "level", "index")
    )""",
    """CREATE TABLE "checkpoints" (
        "log" text COLLATE "C" NOT NULL,
        "size" bigint NOT NULL,
        "signed" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("log", "size")
    )""",
    """CREATE TABLE "versions" (
        "name" text COLLATE "C" NOT NULL,
        "version" bigint NOT NULL,
        PRIMARY KEY ("name")
    )""",
    """CREATE TABLE "merchants" (
        "merchant_id" text COLLATE "C" NOT NULL,
        "name" text COLLATE "C" NOT NULL,
        "name_en" text COLLATE "C" NOT NULL,
        "mcc" text COLLATE "C" NOT NULL,
        "pre_auth_right" boolean NOT NULL,
        "rules" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("merchant_id")
    )""",
    """CREATE TABLE "terminals" (
        "terminal_id" text COLLATE "C" NOT NULL,
        "merchant_id" text COLLATE "C" NOT NULL,
        "tmk" bytea NOT NULL,
        "enabled" boolean NOT NULL,
        "mac_algorithm" text COLLATE "C" NOT NULL,
        "notice" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("terminal_id")
    )""",
    """CREATE TABLE "schemes" (
        "scheme" text COLLATE "C" NOT NULL,
        "rules" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("scheme")
    )""",
    """CREATE TABLE "bins" (
        "prefix" text COLLATE "C" NOT NULL,
        "issuer_id" text COLLATE "C" NOT NULL,
        "scheme" text COLLATE "C" NOT NULL,
        "kind" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("prefix")
    )""",
    """CREATE TABLE "issuers" (
        "issuer_id" text COLLATE "C" NOT NULL,
        "name" text COLLATE "C" NOT NULL,
        "address" text COLLATE "C" NOT NULL,
        "zone_mac" bytea NOT NULL,
        "zone_pin" bytea NOT NULL,
        PRIMARY KEY ("issuer_id")
    )""",
    """CREATE TABLE "hot_cards" (
        "pan_hash" bytea NOT NULL,
        "response_code" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("pan_hash")
    )""",
    """CREATE TABLE "sessions" (
        "terminal_id" text COLLATE "C" NOT NULL,
        "batch" text COLLATE "C" NOT NULL,
        "signed_on" boolean NOT NULL,
        "operator" text COLLATE "C" NOT NULL,
        "mak" bytea NOT NULL,
        "pik" bytea NOT NULL,
        "previous_mak" bytea,
        "previous_until_us" bigint NOT NULL,
        "at_us" bigint NOT NULL,
        "mac_algorithm" text COLLATE "C" NOT NULL,
        "seals_batches" boolean NOT NULL,
        "journal" text COLLATE "C" NOT NULL,
        "former_journal" text COLLATE "C" NOT NULL,
        "unproven_batch" text COLLATE "C" NOT NULL,
        "unproven_journal" text COLLATE "C" NOT NULL,
        "unproven_entry" text COLLATE "C" NOT NULL,
        "unproven_missing" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("terminal_id")
    )""",
    """CREATE TABLE "cards" (
        "pan_hash" bytea NOT NULL,
        "token" text COLLATE "C" NOT NULL,
        "mask" text COLLATE "C" NOT NULL,
        "pan_sealed" bytea NOT NULL,
        "issuer_id" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("pan_hash")
    )""",
    'CREATE INDEX "cards_by_token" ON "cards" ("token", "pan_hash")',
    """CREATE TABLE "requests" (
        "trace_key" text COLLATE "C" NOT NULL,
        "kind" text COLLATE "C" NOT NULL,
        "echoes" text COLLATE "C" NOT NULL,
        "outcome" text COLLATE "C" NOT NULL,
        "question" bytea NOT NULL,
        "terminal_id" text COLLATE "C" NOT NULL,
        "merchant_id" text COLLATE "C" NOT NULL,
        "operator" text COLLATE "C" NOT NULL,
        "at_us" bigint NOT NULL,
        "answered_us" bigint NOT NULL,
        "business_date" text COLLATE "C" NOT NULL,
        "token" text COLLATE "C",
        "card" text COLLATE "C",
        "issuer_id" text COLLATE "C",
        "amount_minor" bigint NOT NULL,
        "currency" text COLLATE "C" NOT NULL,
        "rrn" text COLLATE "C" NOT NULL,
        "entry" text COLLATE "C" NOT NULL,
        "asked_entry" text COLLATE "C" NOT NULL,
        "response_code" text COLLATE "C",
        "authorization_code" text COLLATE "C",
        "hold_id" text COLLATE "C",
        "original" text COLLATE "C",
        "undo" text COLLATE "C" NOT NULL,
        "reason" text COLLATE "C",
        "sequence" bigint NOT NULL,
        "batch_id" text COLLATE "C" NOT NULL,
        "scheme" text COLLATE "C" NOT NULL,
        "delivery" text COLLATE "C" NOT NULL,
        "rest" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("trace_key")
    ) WITH (fillfactor = 50)""",  # Every request is answered soon after: then on the same page, without index entries.
    'CREATE INDEX "requests_by_batch_id" ON "requests" ("batch_id", "trace_key")',
    'CREATE INDEX "requests_by_hold_id" ON "requests" ("hold_id", "trace_key")',
    """CREATE TABLE "holds" (
        "hold_id" text COLLATE "C" NOT NULL,
        "version" bigint NOT NULL,
        "state" text COLLATE "C" NOT NULL,
        "acts" text COLLATE "C" NOT NULL,
        "token" text COLLATE "C" NOT NULL,
        "card" text COLLATE "C" NOT NULL,
        "issuer_id" text COLLATE "C" NOT NULL,
        "merchant_id" text COLLATE "C" NOT NULL,
        "terminal_id" text COLLATE "C" NOT NULL,
        "authorization_code" text COLLATE "C" NOT NULL,
        "batch" text COLLATE "C" NOT NULL,
        "stan" text COLLATE "C" NOT NULL,
        "placed_us" bigint NOT NULL,
        "placed_on" text COLLATE "C" NOT NULL,
        "expires_us" bigint NOT NULL,
        "requested_minor" bigint NOT NULL,
        "completed_minor" bigint NOT NULL,
        "refunded_minor" bigint NOT NULL,
        PRIMARY KEY ("hold_id")
    )""",
    'CREATE INDEX "holds_by_token" ON "holds" ("token", "hold_id")',
    """CREATE INDEX "holds_by_merchant_id_and_authorization_code"
    ON "holds" ("merchant_id", "authorization_code", "hold_id")""",
    """CREATE TABLE "batches" (
        "batch_id" text COLLATE "C" NOT NULL,
        "version" bigint NOT NULL,
        "debit_minor" bigint NOT NULL,
        "debit_count" bigint NOT NULL,
        "credit_minor" bigint NOT NULL,
        "credit_count" bigint NOT NULL,
        "foreign_debit_minor" bigint NOT NULL,
        "foreign_debit_count" bigint NOT NULL,
        "foreign_credit_minor" bigint NOT NULL,
        "foreign_credit_count" bigint NOT NULL,
        "settled" text COLLATE "C" NOT NULL,
        "settled_us" bigint NOT NULL,
        "uploaded" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("batch_id")
    )""",
    """CREATE TABLE "due" (
        "key" text COLLATE "C" NOT NULL,
        "due_us" bigint NOT NULL,
        "attempts" bigint NOT NULL,
        "since_us" bigint NOT NULL,
        PRIMARY KEY ("key")
    )""",
    'CREATE INDEX "due_by_due_us" ON "due" ("due_us", "key")',
    "INSERT INTO versions VALUES ('reference', 0)",
)
