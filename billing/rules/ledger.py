"""Entries balance at COMMIT, say what their statement says, and with their postings stay as they are."""

from __future__ import annotations

from typing import Final

from billing.rules.refusing import at_commit, before, function, refuse
from homes.row_security import append_only

STAMP: Final = function("billing_stamp_entry", "BEGIN NEW.recorded_at := now(); RETURN NEW; END")

POSTING: Final = function(
    "billing_come_with_entry",
    f"""
BEGIN
  IF NOT EXISTS (SELECT 1 FROM billing_entry e WHERE e.id = NEW.entry_id AND e.recorded_at = now())
  THEN {refuse("postings come in the transaction of their entry")}; END IF;
  RETURN NEW;
END """,
)

BALANCE: Final = f"""
DECLARE asked bigint; entry record; said record; expected bigint;
BEGIN
  asked := CASE WHEN TG_TABLE_NAME = 'billing_entry' THEN (to_jsonb(NEW) ->> 'id')::bigint
                ELSE (to_jsonb(NEW) ->> 'entry_id')::bigint END;
  SELECT * INTO entry FROM billing_entry WHERE id = asked;
  SELECT count(*) AS postings, coalesce(sum(p.cents), 0) AS cents,
         count(*) FILTER (WHERE a.home_id IS NOT NULL AND a.home_id IS DISTINCT FROM entry.home_id) AS strangers,
         coalesce(sum(p.cents) FILTER (WHERE a.code IN ('host_receivable', 'host_payable')), 0) AS owed
    INTO said FROM billing_posting p JOIN billing_account a ON a.id = p.account_id WHERE p.entry_id = asked;
  IF said.cents <> 0 OR said.postings < 2
  THEN {refuse("entry % is not balanced: % postings with a sum of %", "entry.key", "said.postings", "said.cents")}; END IF;
  IF said.strangers > 0 THEN {refuse("entry % posts to another home", "entry.key")}; END IF;
  IF entry.statement_id IS NOT NULL THEN
    SELECT s.total_cents - coalesce(r.total_cents, 0) INTO expected FROM billing_statement s
      LEFT JOIN billing_statement r ON r.id = s.revises_id WHERE s.id = entry.statement_id AND s.state = 'issued'
      AND s.home_id = entry.home_id;
    IF expected IS DISTINCT FROM said.owed THEN {refuse("entry % is not what its statement says", "entry.key")}; END IF;
  END IF;
  IF entry.reverses_id IS NOT NULL AND EXISTS (
       SELECT 1 FROM billing_posting p WHERE p.entry_id IN (asked, entry.reverses_id)
       GROUP BY p.account_id HAVING sum(p.cents) <> 0)
  THEN {refuse("entry % is not the opposite of what it reverses", "entry.key")}; END IF;
  RETURN NULL;
END """


def everything_sql() -> list[str]:
    return [
        STAMP,
        POSTING,
        function("billing_check_balance", BALANCE),
        before("billing_entry", "INSERT", "billing_stamp_entry"),
        before("billing_posting", "INSERT", "billing_come_with_entry"),
        at_commit("billing_entry", "INSERT", "billing_check_balance"),
        at_commit("billing_posting", "INSERT", "billing_check_balance"),
        append_only("billing_account"),
        append_only("billing_entry"),
        append_only("billing_posting"),
    ]
