"""What Postgres itself refuses about people and nodes, as SQL for the migrations."""

from __future__ import annotations

from typing import Final

_OF_SIGNING_IN: Final = "ARRAY['password', 'last_login']"
_OF_ITSELF: Final = "ARRAY['password', 'last_login', 'email']"

PERSON: Final = f"""
CREATE FUNCTION homes_keep_person() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  free text[] := CASE WHEN OLD.id = xfra_user_id() THEN {_OF_ITSELF} ELSE {_OF_SIGNING_IN} END;
BEGIN
  IF xfra_is_system() OR to_jsonb(OLD) - free = to_jsonb(NEW) - free THEN RETURN NEW; END IF;
  RAISE EXCEPTION 'of a person, only % may change here', free USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER keep_person BEFORE UPDATE ON homes_user FOR EACH ROW EXECUTE FUNCTION homes_keep_person();
"""
"""Nobody makes themselves somebody else, or somebody else's party their own: the policies know rows, not columns."""

STATEMENTS: Final = (PERSON,)
