-- queries
SELECT date(started_at) AS day, count(*) AS n, sum(status = 'missed') AS missed FROM calls GROUP BY day ORDER BY day
SELECT strftime('%Y-%m', started_at) AS month, total(cost) FROM calls GROUP BY 1 ORDER BY 1
SELECT strftime('%H', started_at) AS hour, count(*) FILTER (WHERE status = 'answered') FROM calls GROUP BY hour ORDER BY hour
SELECT group_concat(tag, ', ') AS tags, call_id FROM (SELECT * FROM call_tags ORDER BY tag) GROUP BY call_id ORDER BY call_id
SELECT id, json_extract(meta, '$.source') AS source, meta ->> '$.score' AS score FROM calls ORDER BY id
SELECT c.id, e.value FROM calls c JOIN json_each(c.meta, '$.path') AS e ORDER BY c.id, e.id
SELECT c.id FROM calls c WHERE EXISTS (SELECT 1 FROM json_each(c.meta, '$.path') WHERE value = '4') ORDER BY c.id
SELECT json_group_array(json_object('id', id, 'name', name)) FROM (SELECT id, name FROM agents ORDER BY id)
SELECT json_group_object(name, value) FROM (SELECT * FROM counters ORDER BY name)
SELECT id, iif(seconds > 50, 'long', 'short') AS kind, ifnull(seconds, 0), typeof(seconds) FROM calls ORDER BY id
SELECT id, printf('%02d:%02d', seconds / 60, seconds % 60) AS mmss FROM calls ORDER BY id
SELECT julianday('2026-03-01') - julianday(started_at) > 0 FROM calls ORDER BY id
SELECT id FROM calls WHERE started_at >= datetime('2026-02-01', '-1 day') AND started_at < date('2026-02-01', 'start of month', '+1 month') ORDER BY id
SELECT name FROM agents WHERE name GLOB 'A*' OR name LIKE 'b%' ESCAPE '!' ORDER BY name COLLATE NOCASE
SELECT id, sum(seconds) OVER (ORDER BY id GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM calls ORDER BY id
SELECT id, nth_value(id, 2) OVER (PARTITION BY status ORDER BY id) FROM calls ORDER BY id
SELECT max(seconds), caller FROM calls GROUP BY caller ORDER BY caller
SELECT id FROM calls NOT INDEXED WHERE id < 3 ORDER BY id
SELECT [id], [status] AS [the status] FROM [calls] WHERE [status] = 'missed' ORDER BY [id]
SELECT id FROM calls WHERE status IS 'missed' OR agent_id IS NOT NULL ORDER BY id
SELECT id, CAST(cost AS TEXT), CAST(seconds AS REAL) / 60 FROM calls ORDER BY id
SELECT a.name, c.id FROM agents a LEFT JOIN calls c ON c.agent_id = a.id ORDER BY a.name, c.id NULLS LAST
SELECT a.name, c.id FROM agents a FULL JOIN calls c ON c.agent_id = a.id ORDER BY a.id, c.id
WITH RECURSIVE d(day) AS (VALUES ('2026-01-30') UNION ALL SELECT date(day, '+1 day') FROM d WHERE day < '2026-02-03') SELECT d.day, count(c.id) FROM d LEFT JOIN calls c ON date(c.started_at) = d.day GROUP BY d.day ORDER BY d.day
SELECT v.column1, c.status FROM (VALUES (1), (2), (101)) v JOIN calls c ON c.id = v.column1 ORDER BY 1
SELECT instr(email, '@'), substr(email, 1, instr(email, '@') - 1) FROM agents ORDER BY id
SELECT (id, status) = (1, 'answered') AS same FROM calls ORDER BY id
SELECT count(*) AS n FROM calls WHERE status == 'missed' AND id != 3
SELECT id, row_number() OVER win FROM calls WINDOW win AS (ORDER BY started_at DESC, id) LIMIT 4
SELECT likely(id > 3), unicode(caller), quote(status), hex(status) FROM calls ORDER BY id
SELECT strftime('%Y-%m-%d', started_at) AS day, count(*) AS n, total(seconds) AS talk FROM calls GROUP BY day ORDER BY day
SELECT a.name, group_concat(DISTINCT c.status) AS statuses FROM agents a LEFT JOIN calls c ON c.agent_id = a.id AND c.id < 2 GROUP BY a.id ORDER BY a.id
SELECT id, json_extract(meta, '$.source') AS source, meta ->> '$.source' AS v FROM calls ORDER BY id
SELECT c.id, j.key, j.value FROM calls c, json_each(c.meta) j ORDER BY c.id, j.key
SELECT a.name, s.value AS skill FROM agents AS a JOIN json_each(a.skills) AS s ORDER BY a.name, s.value
SELECT id FROM calls WHERE started_at >= datetime('2026-02-10', '-30 days') ORDER BY id LIMIT 5 OFFSET 1
SELECT id, iif(seconds > 30, 'long', 'short') AS kind, ifnull(agent_id, 0) AS agent, printf('%05d', id) AS padded FROM calls ORDER BY id
SELECT id FROM agents WHERE name GLOB '[A-C]*' AND name NOT LIKE 'z%' ESCAPE '!' ORDER BY id
SELECT rowid, id FROM calls WHERE rowid > 2 ORDER BY rowid LIMIT 3
SELECT count(*) AS n, max(started_at) FROM calls NOT INDEXED
SELECT [id], "status", `seconds` FROM [calls] ORDER BY [id]
SELECT id, seconds / 60.0 AS m, cast(cost AS REAL) AS c, typeof(seconds) AS t FROM calls ORDER BY id
SELECT * FROM (VALUES (1), (2)) ORDER BY 1
SELECT id, sum(seconds) FILTER (WHERE status IS NOT 'x') OVER (ORDER BY id GROUPS 2 PRECEDING) AS s FROM calls ORDER BY id
WITH RECURSIVE days(d) AS (VALUES ('2026-01-28') UNION ALL SELECT date(d, '+1 day') FROM days WHERE d < '2026-02-04') SELECT d, (SELECT count(*) FROM calls WHERE date(started_at) = d) AS n FROM days ORDER BY d
SELECT a.id, a.name, count(c.id) AS n FROM calls c RIGHT JOIN agents a ON a.id = c.agent_id GROUP BY a.id ORDER BY n DESC, a.id
-- writes
INSERT INTO counters (name, value) VALUES ('calls', 5) ON CONFLICT (company_id, name) DO UPDATE SET value = max(value, excluded.value)
INSERT INTO counters (name, value) SELECT status, count(*) FROM calls WHERE true GROUP BY status ON CONFLICT (company_id, name) DO UPDATE SET value = counters.value + excluded.value
INSERT OR IGNORE INTO call_tags (call_id, tag) SELECT id, 'vip' FROM calls
UPDATE calls SET status = 'running' WHERE id = (SELECT id FROM calls WHERE status = 'queued' ORDER BY started_at, id LIMIT 1) RETURNING id, status
UPDATE calls SET meta = json_set(meta, '$.seen', json('true')) WHERE json_extract(meta, '$.source') = 'web'
UPDATE agents SET salary = s.total FROM (SELECT agent_id, sum(cost) AS total FROM calls GROUP BY agent_id) AS s WHERE s.agent_id = agents.id
UPDATE OR IGNORE call_tags SET tag = 'vip' WHERE tag = 'sales'
WITH old AS (SELECT id FROM calls WHERE started_at < '2026-02-01') DELETE FROM transcripts WHERE call_id IN (SELECT id FROM old)
DELETE FROM transcripts WHERE id IN (SELECT id FROM transcripts ORDER BY id DESC LIMIT 1) RETURNING id
INSERT INTO counters (name, value) VALUES ('calls', 1), ('new', 1) ON CONFLICT DO NOTHING
INSERT INTO counters (name, value) VALUES (:name, 1) ON CONFLICT (company_id, name) DO UPDATE SET value = value + excluded.value RETURNING value
INSERT OR IGNORE INTO call_tags (call_id, tag, weight) VALUES (1, 'vip', 1), (2, 'vip', 2)
INSERT INTO call_tags (call_id, tag, weight) SELECT id, 'bulk', 1 FROM calls WHERE true ON CONFLICT DO NOTHING
UPDATE calls SET status = 'taken' WHERE id = (SELECT id FROM calls WHERE status = :state ORDER BY id LIMIT 1) RETURNING id, status
UPDATE calls SET seconds = t.n FROM (SELECT call_id, count(*) AS n FROM call_tags GROUP BY call_id) AS t WHERE t.call_id = calls.id
UPDATE calls SET meta = json_set(coalesce(meta, '{}'), '$.seen', 1), cost = round(cost, 1) WHERE id = :low
DELETE FROM call_tags WHERE rowid IN (SELECT rowid FROM call_tags WHERE weight IS NULL)
UPDATE agents SET email = lower(replace(name, ' ', '.')) || '@example.com' WHERE email IS NULL OR email = ''
