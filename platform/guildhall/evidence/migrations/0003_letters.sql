-- A dead letter is waiting until it was handled after all or until somebody set it aside, with a reason in the audit trail.
ALTER TABLE evidence.dead_letter ADD COLUMN dismissed_at timestamptz;
CREATE INDEX dead_letter_waiting ON evidence.dead_letter (tenant, consumer, position)
    WHERE replayed_at IS NULL AND dismissed_at IS NULL;

-- What the platform's owners see of the streams of all tenants: how far, how late, and the kind of error. Never what an
-- event says, nor an error's words, which may quote it.
CREATE FUNCTION evidence.stream_health()
    RETURNS TABLE (tenant text, head bigint, consumer text, "position" bigint, attempts smallint, retry_at timestamptz,
                   problem text, letters bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, evidence AS $$
    SELECT h.tenant::text, h.position, c.consumer::text, c.position, c.attempts, c.retry_at,
           split_part(c.last_error, ':', 1),
           (SELECT count(*) FROM evidence.dead_letter d WHERE d.tenant = h.tenant AND d.consumer = c.consumer
                AND d.replayed_at IS NULL AND d.dismissed_at IS NULL)
    FROM evidence.outbox_head h LEFT JOIN evidence.consumer_cursor c ON c.tenant = h.tenant
    WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = h.tenant)
    ORDER BY h.tenant, c.consumer
$$;
REVOKE ALL ON FUNCTION evidence.stream_health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION evidence.stream_health() TO guildhall_platform;
