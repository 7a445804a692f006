-- Whoever verifies the trail, as the sealer's login, looks at the event that each entry says it is of; never at what it carried.
CREATE POLICY sealer ON evidence.outbox_event FOR SELECT TO guildhall_sealer USING (true);
GRANT SELECT (id, tenant, kind, subject, operation_id) ON evidence.outbox_event TO guildhall_sealer;
