"""What Postgres itself refuses about people and nodes, as SQL for the migrations."""

from __future__ import annotations

from typing import Final

_OF_SIGNING_IN: Final = "ARRAY['password', 'last_login']"

PERSON: Final = f"""
CREATE FUNCTION homes_keep_person() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  free text[] := {_OF_SIGNING_IN};
BEGIN
  IF xfra_is_system() OR to_jsonb(OLD) - free = to_jsonb(NEW) - free THEN RETURN NEW; END IF;
  RAISE EXCEPTION 'of a person, only % may change here', free USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER keep_person BEFORE UPDATE ON homes_user FOR EACH ROW EXECUTE FUNCTION homes_keep_person();
"""
"""Nobody makes themselves somebody else, or somebody else's party or an address their own: the policies know rows, not
columns. An address is changed by the system, which has seen the proof: see homes.address_change."""

TOKENS: Final = """
CREATE FUNCTION homes_keep_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
    RAISE EXCEPTION 'a revoked token stays revoked' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.revoked_at IS NULL THEN
    PERFORM FROM homes_node WHERE id = NEW.node_id FOR NO KEY UPDATE;  -- those who issue at once come one by one
    IF (SELECT count(*) FROM homes_nodecredential
        WHERE node_id = NEW.node_id AND revoked_at IS NULL AND id <> NEW.id) >= 2 THEN
      RAISE EXCEPTION 'two tokens of this node are live: revoke one first' USING ERRCODE = 'restrict_violation';
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_tokens BEFORE INSERT OR UPDATE OF revoked_at, node_id ON homes_nodecredential
  FOR EACH ROW EXECUTE FUNCTION homes_keep_tokens();
"""
"""Two are live while one takes the other's place. A third would be one that nobody remembers."""

STATEMENTS: Final = (PERSON, TOKENS)
