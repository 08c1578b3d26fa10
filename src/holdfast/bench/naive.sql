\set account random(1, 100000)
\set amount random(100, 100000)
\set terminal random(1, 99999999)
\set trace random(1, 1000000000000)
BEGIN;
INSERT INTO naive_register (trace_key, kind, terminal_id, merchant_id, card, amount, currency, rrn, authorization_code, response_code)
VALUES (:terminal || '/000001/' || :trace || '/0100', 'pre-authorization', :terminal::text, '102100070110001', '622000******0001', :amount, '156', :trace::text, '123456', '00');
SELECT available, held FROM naive_account WHERE id = :account FOR UPDATE;
UPDATE naive_account SET available = available - :amount, held = held + :amount WHERE id = :account;
INSERT INTO naive_hold (account_id, amount, expires, state) VALUES (:account, :amount, now() + interval '30 days', 'held');
COMMIT;
