SELECT c.id AS "call id", c.status "state" FROM calls c ORDER BY "call id"
SELECT SUM(total) FILTER (WHERE paid) AS paid, SUM(total) FILTER (WHERE NOT paid) AS unpaid FROM invoices
SELECT id FROM calls ORDER BY seconds NULLS LAST, id LIMIT 4
SELECT a.id, c.id FROM agents a FULL OUTER JOIN calls c ON c.agent_id = a.id AND c.status = 'missed' ORDER BY 1, 2
SELECT id FROM calls WHERE seconds IS NOT DISTINCT FROM NULL ORDER BY id
INSERT INTO counters (name, value) VALUES (:s, 1) ON CONFLICT (company_id, name) DO UPDATE SET value = counters.value + 1 RETURNING value
INSERT INTO invoices (id, month, total, paid) VALUES (61, '2026-02-01', 99, true) ON CONFLICT (company_id, month) DO UPDATE SET total = excluded.total, paid = excluded.paid RETURNING id, total
INSERT INTO call_tags (call_id, tag) VALUES (1, 'vip'), (2, 'vip') ON CONFLICT DO NOTHING
UPDATE calls SET status = 'x' FROM agents AS a WHERE a.id = calls.agent_id AND a.name = 'Bob'
DELETE FROM calls WHERE id IN (11, 12) RETURNING id, status
INSERT INTO calls (id, status) VALUES (72, 'new') RETURNING id, company_id, status
SELECT c.id, x.value FROM calls c, json_each(c.meta, '$.path') x WHERE c.id < 4 ORDER BY c.id, x.key
SELECT json_extract(meta, '$.source') AS src, COUNT(*) FROM calls GROUP BY src ORDER BY src
SELECT strftime('%Y-%m', started_at) AS ym, COUNT(*) AS n FROM calls GROUP BY ym ORDER BY ym
SELECT date(started_at, 'start of month', '+1 month', '-1 day') AS eom FROM calls GROUP BY eom ORDER BY eom
SELECT group_concat(name, ', ') AS names FROM (SELECT name FROM agents ORDER BY name)
SELECT iif(seconds > 30, 'long', 'short') AS kind, total(cost) AS t FROM calls GROUP BY kind ORDER BY kind
SELECT printf('%05d', id) AS padded, substr(caller, -2) AS tail, instr(caller, '4') AS at, typeof(cost) AS t FROM calls ORDER BY id
SELECT julianday(started_at) - julianday('2026-01-01') AS age FROM calls ORDER BY id
SELECT id, meta ->> '$.source' AS src, meta -> '$.path' AS p FROM calls WHERE meta ->> 'score' > 3 ORDER BY id
SELECT json_group_array(json_object('id', id, 'status', status)) AS doc FROM (SELECT id, status FROM calls ORDER BY id)
WITH RECURSIVE days(d) AS (SELECT '2026-01-29' UNION ALL SELECT date(d, '+1 day') FROM days WHERE d < '2026-02-05') SELECT days.d, COUNT(calls.id) AS n FROM days LEFT JOIN calls ON date(calls.started_at) = days.d GROUP BY days.d ORDER BY days.d
INSERT OR IGNORE INTO counters (name, value) VALUES ('calls', 9), ('fresh', 1)
UPDATE OR IGNORE call_tags SET tag = 'vip' WHERE call_id = 3
SELECT count(*) FILTER (WHERE status = 'missed') * 1.0 / count(*) AS rate, max(id) AS m FROM calls WHERE id IN (SELECT value FROM json_each('[1,2,3,4]'))
SELECT id FROM calls WHERE status == 'missed' AND id <> 2 ORDER BY id COLLATE NOCASE
SELECT name FROM agents WHERE name GLOB 'A*' ORDER BY name COLLATE BINARY
SELECT CAST(strftime('%H', started_at) AS INTEGER) AS hour, COUNT(*) AS n FROM calls GROUP BY hour ORDER BY hour
SELECT (id, status) = (1, 'missed') AS same, id BETWEEN 1 AND 3 AS low, status IN ('missed') AS m, NOT id AS n FROM calls ORDER BY id
DELETE FROM transcripts WHERE id = (SELECT id FROM transcripts ORDER BY id LIMIT 1) RETURNING *
