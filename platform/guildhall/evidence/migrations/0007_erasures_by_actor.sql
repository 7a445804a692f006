-- Naming an entry of one's own is not enough: what is erased is what one actor said, and `asked_by` has to be the wish that
-- names that actor and came after. Whoever can only insert rows has nothing else forgotten.
DROP POLICY own_write ON evidence.audit_erasure;
CREATE POLICY own_write ON evidence.audit_erasure FOR INSERT WITH CHECK (
    tenant = current_user AND done_at IS NULL
    AND EXISTS (
        SELECT FROM evidence.audit_entry e
        JOIN evidence.audit_entry a ON a.tenant = e.tenant AND a.subject = e.actor_ref AND a.id > e.id
        WHERE e.id = entry_id AND e.tenant = current_user AND e.actor_ref LIKE 'person:%' AND a.id = asked_by
            AND a.kind = 'evidence.payloads.erased' AND a.action = 'audit.erase' AND a.outcome = 'done'
    )
);
