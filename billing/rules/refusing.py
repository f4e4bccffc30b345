"""How a rule is attached to a table."""

from __future__ import annotations


def before(table: str, events: str, function: str) -> str:
    """SQL: `function` looks at each row before `events` (as INSERT OR UPDATE), and may raise."""
    name = function.removeprefix("billing_")
    return f"CREATE TRIGGER {name} BEFORE {events} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}();"


def at_commit(table: str, events: str, function: str) -> str:
    """SQL: `function` looks when the transaction commits, so that rows may come in any order."""
    name = function.removeprefix("billing_")
    return (
        f"CREATE CONSTRAINT TRIGGER {name} AFTER {events} ON {table} DEFERRABLE INITIALLY DEFERRED"
        f" FOR EACH ROW EXECUTE FUNCTION {function}();"
    )


def function(name: str, body: str) -> str:
    """SQL of a trigger function that runs as the owner.

    pg_temp is named last: unnamed it comes first, and a temporary table could pass for one of ours.
    """
    head = (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"
    )
    return f"{head} AS $${body}$$;"


def refuse(said: str, *values: str) -> str:
    """SQL statement that refuses, with `%` in `said` for each of the SQL expressions `values`."""
    arguments = "".join(f", {value}" for value in values)
    return f"RAISE EXCEPTION '{said}'{arguments} USING ERRCODE = 'restrict_violation'"
