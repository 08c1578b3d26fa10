"""The first shape of the issuer's schema. Released migrations are never edited: a change is a new revision."""

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
    """CREATE TABLE "issuer_links" (
        "issuer_id" text COLLATE "C" NOT NULL,
        "zone_mac" bytea NOT NULL,
        "zone_pin" bytea NOT NULL,
        "imk" bytea,
        "habits" text COLLATE "C" NOT NULL,
        PRIMARY KEY ("issuer_id")
    )""",
    """CREATE TABLE "accounts" (
        "account_id" text COLLATE "C" NOT NULL,
        "issuer_id" text COLLATE "C" NOT NULL,
        "pan_hash" bytea NOT NULL,
        "card" text COLLATE "C" NOT NULL,
        "kind" text COLLATE "C" NOT NULL,
        "expiry" text COLLATE "C" NOT NULL,
        "status" text COLLATE "C" NOT NULL,
        "pin_verifier" bytea,
        "frozen_percent" bigint NOT NULL,
        "available_minor" bigint NOT NULL,
        "held_minor" bigint NOT NULL,
        PRIMARY KEY ("account_id")
    ) WITH (fillfactor = 50)""",  # A busy account changes with every batch: on the same page, without index entries.
    'CREATE INDEX "accounts_by_pan_hash" ON "accounts" ("pan_hash", "account_id")',
    """CREATE TABLE "answers" (
        "exchange_id" text COLLATE "C" NOT NULL,
        "question" bytea NOT NULL,
        "kind" text COLLATE "C" NOT NULL,
        "outcome" text COLLATE "C" NOT NULL,
        "issuer_id" text COLLATE "C" NOT NULL,
        "account_id" text COLLATE "C",
        "hold_id" text COLLATE "C",
        "amount_minor" bigint NOT NULL,
        "response_code" text COLLATE "C" NOT NULL,
        "authorization_code" text COLLATE "C",
        "entry" text COLLATE "C" NOT NULL,
        "at_us" bigint NOT NULL,
        PRIMARY KEY ("exchange_id")
    )""",
    """CREATE TABLE "freezes" (
        "hold_id" text COLLATE "C" NOT NULL,
        "version" bigint NOT NULL,
        "state" text COLLATE "C" NOT NULL,
        "acts" text COLLATE "C" NOT NULL,
        "account_id" text COLLATE "C" NOT NULL,
        "issuer_id" text COLLATE "C" NOT NULL,
        "authorization_code" text COLLATE "C" NOT NULL,
        "placed_us" bigint NOT NULL,
        "expires_us" bigint NOT NULL,
        "requested_minor" bigint NOT NULL,
        "held_minor" bigint NOT NULL,
        "completed_minor" bigint NOT NULL,
        "refunded_minor" bigint NOT NULL,
        PRIMARY KEY ("hold_id")
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
