-- What people would do instead: one row of a register, one account, one hold, a statement each.
DROP TABLE IF EXISTS naive_register, naive_account, naive_hold;
CREATE TABLE naive_register (
    id bigserial PRIMARY KEY,
    trace_key text NOT NULL UNIQUE,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    terminal_id text NOT NULL,
    merchant_id text NOT NULL,
    card text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    rrn text NOT NULL,
    authorization_code text NOT NULL,
    response_code text NOT NULL
);
CREATE TABLE naive_account (id int PRIMARY KEY, available bigint NOT NULL, held bigint NOT NULL);
CREATE TABLE naive_hold (
    id bigserial PRIMARY KEY,
    account_id int NOT NULL,
    amount bigint NOT NULL,
    expires timestamptz NOT NULL,
    state text NOT NULL
);
INSERT INTO naive_account SELECT n, 1000000000, 0 FROM generate_series(1, 100000) AS n;
