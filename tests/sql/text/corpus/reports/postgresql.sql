SELECT c.id AS "call id", c.status "state" FROM calls c ORDER BY "call id"
SELECT SUM(total) FILTER (WHERE paid) AS paid, SUM(total) FILTER (WHERE NOT paid) AS unpaid FROM invoices
SELECT id FROM calls ORDER BY seconds NULLS LAST, id LIMIT 4
SELECT a.id, c.id FROM agents a FULL OUTER JOIN calls c ON c.agent_id = a.id AND c.status = 'missed' ORDER BY 1, 2
SELECT id FROM calls WHERE seconds IS NOT DISTINCT FROM NULL ORDER BY id
INSERT INTO counters (name, value) VALUES (:s, 1) ON CONFLICT (company_id, name) DO UPDATE SET value = counters.value + 1 RETURNING value
INSERT INTO invoices (id, month, total, paid) VALUES (61, '2026-02-01', 99, true) ON CONFLICT (company_id, month) DO UPDATE SET total = excluded.total, paid = excluded.paid RETURNING id, total
INSERT INTO call_tags (call_id, tag) VALUES (1, 'vip'), (2, 'vip') ON CONFLICT DO NOTHING
UPDATE calls SET status = 'x' FROM agents WHERE agents.id = calls.agent_id AND agents.name = 'Bob' RETURNING calls.id, agents.name
UPDATE calls SET status = 'x' FROM agents AS a WHERE a.id = calls.agent_id AND a.name = 'Bob'
DELETE FROM calls WHERE id IN (11, 12) RETURNING id, status
INSERT INTO calls (id, status) VALUES (72, 'new') RETURNING id, company_id, status
SELECT DATE_TRUNC('day', started_at) AS day, COUNT(*) AS n, SUM(COUNT(*)) OVER (ORDER BY DATE_TRUNC('day', started_at)) AS cumulative FROM calls GROUP BY 1 ORDER BY 1
SELECT DISTINCT ON (agent_id) agent_id, id, started_at FROM calls WHERE agent_id IS NOT NULL ORDER BY agent_id, started_at DESC
SELECT a.name, recent.id FROM agents a CROSS JOIN LATERAL (SELECT c.id FROM calls c WHERE c.agent_id = a.id ORDER BY c.started_at DESC LIMIT 2) AS recent ORDER BY a.name, recent.id
SELECT a.name, recent.id FROM agents a LEFT JOIN LATERAL (SELECT c.id FROM calls c WHERE c.agent_id = a.id ORDER BY c.id LIMIT 1) recent ON TRUE ORDER BY a.name
SELECT string_agg(name, ', ' ORDER BY name) AS names, array_agg(id ORDER BY id) AS ids, json_agg(json_build_object('id', id, 'n', name) ORDER BY id) AS doc FROM agents
SELECT d::date AS day, count(c.id) AS n FROM generate_series('2026-01-29'::timestamp, '2026-02-05'::timestamp, '1 day'::interval) AS d LEFT JOIN calls c ON c.started_at::date = d::date GROUP BY d ORDER BY d
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median, percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY seconds) AS q, mode() WITHIN GROUP (ORDER BY status) AS m FROM calls
SELECT id FROM calls WHERE meta @> '{"source": "web"}' AND meta ? 'score' AND (meta->>'score')::int > 2 AND meta #>> '{path,0}' = 'a' ORDER BY id
SELECT id, unnest(skills) AS skill FROM agents ORDER BY 1, 2
SELECT id FROM agents WHERE 'de' = ANY(skills) AND cardinality(skills) > 1 AND skills && ARRAY['en'] ORDER BY id
SELECT k.key, count(*) FROM calls c, jsonb_each_text(c.meta) AS k GROUP BY k.key ORDER BY k.key
SELECT x.elem FROM calls c CROSS JOIN LATERAL jsonb_array_elements_text(c.meta->'path') WITH ORDINALITY AS x(elem, n) WHERE x.n = 2 ORDER BY 1
SELECT status, agent_id, count(*) FROM calls GROUP BY ROLLUP (status, agent_id) ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT status, agent_id, grouping(status) AS g, count(*) FROM calls GROUP BY GROUPING SETS ((status), (agent_id), ()) ORDER BY 1, 2, 3
SELECT to_char(started_at, 'YYYY-MM') AS month, extract(epoch FROM max(started_at) - min(started_at)) AS span FROM calls GROUP BY 1 ORDER BY 1
SELECT id, age(TIMESTAMP '2026-03-01', started_at) AS a, started_at + INTERVAL '1 day' * seconds AS later FROM calls ORDER BY id
SELECT id FROM calls WHERE status ILIKE 'M%' AND caller ~ '^\+49[0-9]$' AND status !~* 'x' ORDER BY id
SELECT id FROM calls WHERE status SIMILAR TO '(missed|queued)' ORDER BY id FETCH FIRST 3 ROWS ONLY
SELECT id FROM calls WHERE status = 'queued' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
UPDATE calls SET status = 'taken' WHERE id IN (SELECT id FROM calls WHERE status = 'queued' ORDER BY started_at FOR UPDATE SKIP LOCKED LIMIT 2) RETURNING id
WITH claimed AS (UPDATE calls SET status = 'taken' WHERE id = (SELECT id FROM calls WHERE status = 'queued' ORDER BY id LIMIT 1) RETURNING *) SELECT claimed.id, a.name FROM claimed LEFT JOIN agents a ON a.id = claimed.agent_id
WITH data(id, body) AS (VALUES (1, 'x'), (2, 'y')) UPDATE transcripts t SET body = data.body FROM data WHERE data.id = t.id RETURNING t.id
INSERT INTO calls (id, caller, meta) VALUES (73, '+1', '{"source": "web"}') ON CONFLICT (id) DO UPDATE SET caller = EXCLUDED.caller, meta = calls.meta || EXCLUDED.meta
INSERT INTO call_tags (call_id, tag, weight) SELECT v.call_id, v.tag, v.weight FROM (VALUES (1, 'n1', 1), (2, 'n2', NULL)) AS v(call_id, tag, weight) JOIN calls c ON c.id = v.call_id
INSERT INTO call_tags (call_id, tag) SELECT c.id, v.tag FROM (VALUES ('n1'), ('n2')) AS v(tag) CROSS JOIN calls c WHERE c.id < 3
INSERT INTO call_tags (call_id, tag) SELECT c.id, unnest(ARRAY['p', 'q']) FROM calls c WHERE c.id = 1 RETURNING call_id, tag
INSERT INTO call_tags (call_id, tag) SELECT c.id, t.tag FROM calls c, unnest(ARRAY['p', 'q']::text[]) AS t(tag) WHERE c.id = 1
DELETE FROM calls c USING agents a WHERE a.id = c.agent_id AND a.name = 'Zed' RETURNING c.id
UPDATE agents a SET salary = s.avg FROM (SELECT agent_id, avg(seconds) AS avg FROM calls GROUP BY agent_id) s WHERE s.agent_id = a.id AND s.avg IS NOT NULL
SELECT coalesce(jsonb_object_agg(status, n), '{}'::jsonb) AS by_status FROM (SELECT status, count(*) AS n FROM calls GROUP BY status) s
SELECT id, CASE WHEN seconds IS NULL THEN NULL ELSE width_bucket(seconds, 0, 100, 5) END AS bucket FROM calls ORDER BY id
SELECT id, make_interval(secs => seconds) AS dur, (started_at AT TIME ZONE 'UTC') AT TIME ZONE 'Europe/Berlin' AS local FROM calls ORDER BY id
SELECT id, lead(id) OVER w, ntile(3) OVER w, nth_value(id, 2) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM calls WINDOW w AS (PARTITION BY status ORDER BY started_at) ORDER BY id
SELECT count(*) OVER () AS full_count, c.id FROM calls c ORDER BY c.id LIMIT 3 OFFSET 3
SELECT regexp_replace(caller, '\D', '', 'g') AS digits, split_part(email, '@', 2) AS host, left(name, 1) || '.' AS init, concat_ws(' ', name, email) AS cw, format('%s-%s', name, agents.id) AS f FROM agents JOIN calls ON calls.agent_id = agents.id ORDER BY calls.id
SELECT to_tsvector('english', body) @@ plainto_tsquery('english', 'hello') AS hit, ts_rank(to_tsvector('english', body), to_tsquery('hello')) > 0 AS r FROM transcripts ORDER BY id
SELECT id, status FROM calls WHERE (status, seconds) IN (('missed', 37), ('queued', 74)) ORDER BY id
SELECT a.name, GREATEST(a.salary, 2000) AS g, LEAST(a.salary, 2000) AS l FROM agents a ORDER BY a.id
(SELECT id, 'c' AS t FROM calls ORDER BY id LIMIT 2) UNION ALL (SELECT id, 'a' FROM agents ORDER BY id LIMIT 2) ORDER BY t, id LIMIT 3
