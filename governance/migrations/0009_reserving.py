from django.db import migrations

# A reservation in one statement, in the order that everybody keeps who moves money: the limits as they are, then the
# reservation and its line in the ledger, and at the very end the counters, each by its id. Whoever waits for a counter
# waits for one update. What cannot be reserved is an error, so that the COMMIT behind it is not carried out.
SQL = """
CREATE FUNCTION governance_reserve(asked jsonb) RETURNS TABLE (since timestamptz, until timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    reservation uuid := asked->>'id';
    worst numeric(20, 10) := asked->>'amount';
    chosen bigint[];
    unmade boolean;
    counter bigint;
    tightest jsonb;
BEGIN
    -- To the end of the transaction no limit is set or taken away; reservations keep each other out of nothing.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('guildhall limits ' || current_user, 0));
    SELECT array_agg(made.id ORDER BY made.id), coalesce(bool_or(made.id IS NULL), true) INTO chosen, unmade
    FROM (
        -- A limit of the scope's own counts before the default of its kind.
        SELECT DISTINCT ON (scope.kind, scope.id, known."window")
            scope.kind AS scope_kind, scope.id AS scope_id, known."window",
            CASE known."window" WHEN 'total' THEN timestamptz '1970-01-01 00:00:00+00'
                ELSE date_trunc(known."window", now(), 'UTC') END AS starts
        FROM jsonb_to_recordset(asked->'scopes') AS scope (kind text, id text)
        JOIN governance_budgetlimit known ON known.scope_kind = scope.kind AND known.scope_id IN (scope.id, '')
        ORDER BY scope.kind, scope.id, known."window", known.scope_id DESC
    ) own
    LEFT JOIN governance_budgetcounter made
        ON (made.scope_kind, made.scope_id, made."window", made.window_start)
         = (own.scope_kind, own.scope_id, own."window", own.starts);
    IF unmade THEN
        RAISE EXCEPTION 'a limit has no counter yet' USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_counter_made';
    END IF;

    INSERT INTO governance_reservation AS made (id, key, amount, counters, project, strategy, story, task, run, api_key,
        agent, owner, model, provider, price_version, trace_id, expires_at)
    VALUES (reservation, asked->>'key', worst, chosen, asked->>'project', asked->>'strategy', asked->>'story',
        asked->>'task', asked->>'run', asked->>'api_key', asked->>'agent', asked->>'owner', asked->>'model',
        asked->>'provider', asked->>'price_version', asked->>'trace',
        now() + make_interval(secs => (asked->>'ttl')::float8))
    ON CONFLICT (key) WHERE state IN ('open', 'committed') DO NOTHING
    RETURNING made.reserved_at, made.expires_at INTO since, until;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the key is taken' USING ERRCODE = 'unique_violation', CONSTRAINT = 'reservation_key_once';
    END IF;
    INSERT INTO governance_ledgerentry (kind, reservation_id, reserved_delta, owner, project, strategy, story, task, run,
        api_key, agent, model, provider, price_version, reason, trace_id, operation_id, counted_at)
    VALUES ('reserve', reservation, worst, asked->>'owner', asked->>'project', asked->>'strategy', asked->>'story',
        asked->>'task', asked->>'run', asked->>'api_key', asked->>'agent', asked->>'model', asked->>'provider',
        asked->>'price_version', '', asked->>'trace', asked->>'operation', since);

    FOREACH counter IN ARRAY chosen LOOP
        UPDATE governance_budgetcounter kept SET reserved = kept.reserved + worst
        WHERE kept.id = counter AND kept."limit" - kept.spent - kept.reserved >= worst;
        IF NOT FOUND THEN
            -- What was set aside a moment ago, in counters before this one, is still free to whoever is told.
            SELECT to_jsonb(room) INTO tightest FROM (
                SELECT kept.scope_kind, kept.scope_id, kept."window", kept.window_start, kept."limit",
                    kept."limit" - kept.spent - kept.reserved + CASE WHEN kept.id < counter THEN worst ELSE 0 END AS "left"
                FROM governance_budgetcounter kept WHERE kept.id = ANY(chosen) ORDER BY "left", kept.id LIMIT 1
            ) room;
            RAISE EXCEPTION 'a limit has no room' USING
                ERRCODE = 'check_violation', CONSTRAINT = 'budget_room', DETAIL = tightest::text;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;
"""

BACK = "DROP FUNCTION governance_reserve(jsonb);"


class Migration(migrations.Migration):
    dependencies = [("governance", "0008_violations")]
    operations = [migrations.RunSQL(SQL, BACK)]
