"""Queries and writes that PostgreSQL takes."""

READS = [
    "SELECT id, started_at::date AS day FROM calls ORDER BY id",
    "SELECT date_trunc('day', started_at) AS day, count(*) FROM calls GROUP BY 1 ORDER BY 1",
    "SELECT date_trunc('month', started_at)::date AS month, sum(cost) FROM calls GROUP BY month ORDER BY month",
    "SELECT to_char(started_at, 'YYYY-MM-DD HH24:MI') FROM calls ORDER BY id",
    "SELECT extract(hour FROM started_at) AS hour, count(*) FROM calls GROUP BY hour ORDER BY hour",
    "SELECT EXTRACT(EPOCH FROM (max(started_at) - min(started_at))) FROM calls",
    "SELECT id FROM calls WHERE started_at >= timestamp '2026-02-01' - interval '1 day' ORDER BY id",
    "SELECT id FROM calls WHERE started_at > now() - INTERVAL '30 days' * 10000",
    "SELECT id FROM calls WHERE started_at BETWEEN '2026-01-31' AND '2026-02-02'::timestamp",
    "SELECT age(timestamp '2026-03-01', started_at) FROM calls ORDER BY id",
    "SELECT d::date, count(c.id) FROM generate_series(date '2026-01-30', date '2026-02-03', interval '1 day') AS d "
    "LEFT JOIN calls c ON c.started_at::date = d::date GROUP BY d ORDER BY d",
    "SELECT g.h, count(c.id) FROM generate_series(0, 23) AS g(h) LEFT JOIN calls c "
    "ON extract(hour FROM c.started_at) = g.h GROUP BY g.h ORDER BY g.h",
    "SELECT string_agg(name, ', ' ORDER BY name) FROM agents",
    "SELECT agent_id, array_agg(DISTINCT status ORDER BY status) FROM calls GROUP BY agent_id ORDER BY agent_id",
    "SELECT c.id, string_agg(t.tag, ',' ORDER BY t.tag) AS tags FROM calls c LEFT JOIN call_tags t "
    "ON t.call_id = c.id GROUP BY c.id ORDER BY c.id",
    "SELECT json_agg(json_build_object('id', id, 'name', name) ORDER BY id) FROM agents",
    "SELECT jsonb_object_agg(name, value) FROM counters",
    "SELECT id, meta->>'source' AS source FROM calls ORDER BY id",
    "SELECT id FROM calls WHERE meta->>'source' = 'web' AND (meta->>'score')::int > 3 ORDER BY id",
    "SELECT id FROM calls WHERE meta @> '{\"source\": \"web\"}'::jsonb ORDER BY id",
    "SELECT id FROM calls WHERE meta ? 'score' AND meta #>> '{path,1}' = '4'",
    "SELECT id FROM calls WHERE meta ?| array['nothing', 'score'] ORDER BY id",
    "SELECT id, meta->'path'->0 FROM calls ORDER BY id",
    "SELECT c.id, p.value FROM calls c, jsonb_array_elements_text(c.meta->'path') AS p(value) ORDER BY c.id, 2",
    "SELECT c.id, e.key, e.value FROM calls c CROSS JOIN LATERAL jsonb_each_text(c.meta) AS e ORDER BY 1, 2",
    "SELECT count(*) FROM calls WHERE jsonb_typeof(meta->'path') = 'array'",
    "SELECT row_to_json(a) FROM (SELECT id, name FROM agents ORDER BY id) a",
    "SELECT jsonb_set(meta, '{score}', '0') FROM calls ORDER BY id",
    "SELECT id FROM agents WHERE 'en' = ANY(skills) ORDER BY id",
    "SELECT id FROM agents WHERE skills && ARRAY['de', 'fr'] ORDER BY id",
    "SELECT id FROM agents WHERE skills @> ARRAY['en']::text[] ORDER BY id",
    "SELECT a.name, s.skill FROM agents a, unnest(a.skills) AS s(skill) ORDER BY 1, 2",
    "SELECT a.name, s FROM agents a LEFT JOIN LATERAL unnest(a.skills) s ON true ORDER BY 1, 2",
    "SELECT array_length(skills, 1), cardinality(skills), skills[1] FROM agents ORDER BY id",
    "SELECT id FROM calls WHERE id = ANY(ARRAY[1, 2, 101]) ORDER BY id",
    "SELECT id FROM calls WHERE id = ANY('{1,2,101}'::int[]) ORDER BY id",
    "SELECT count(*) FILTER (WHERE status = 'missed') AS missed, count(*) AS total FROM calls",
    "SELECT agent_id, count(*) FILTER (WHERE status = 'answered') * 1.0 / count(*) FROM calls GROUP BY 1 ORDER BY 1",
    "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) FROM calls",
    "SELECT mode() WITHIN GROUP (ORDER BY status), stddev(seconds) FROM calls",
    "SELECT DISTINCT ON (caller) caller, id, started_at FROM calls ORDER BY caller, started_at DESC",
    "SELECT a.name, l.id FROM agents a CROSS JOIN LATERAL (SELECT c.id FROM calls c WHERE c.agent_id = a.id "
    "ORDER BY c.started_at DESC LIMIT 2) l ORDER BY a.name, l.id",
    "SELECT a.name, l.n FROM agents a LEFT JOIN LATERAL (SELECT count(*) AS n FROM calls c WHERE c.agent_id = a.id) l "
    "ON TRUE ORDER BY a.name",
    "SELECT a.name, c.id FROM agents a FULL JOIN calls c ON c.agent_id = a.id ORDER BY a.id, c.id",
    "SELECT name FROM agents WHERE name ILIKE '%O%' ORDER BY name",
    "SELECT name FROM agents WHERE email ~* '^agent[12]@' ORDER BY name",
    "SELECT name FROM agents WHERE email SIMILAR TO 'agent(1|2)%'",
    "SELECT regexp_replace(caller, '^\\+49', '0') FROM calls ORDER BY id",
    "SELECT split_part(email, '@', 2), position('@' IN email), substring(email FROM 1 FOR 5) FROM agents ORDER BY id",
    "SELECT left(name, 1), right(name, 1), lpad(id::text, 5, '0'), initcap(name) FROM agents ORDER BY id",
    "SELECT format('%s <%s>', name, email) FROM agents ORDER BY id",
    "SELECT concat_ws(', ', name, email), md5(name) FROM agents ORDER BY id",
    "SELECT name, salary IS DISTINCT FROM 1000 FROM agents ORDER BY id",
    "SELECT coalesce(salary, 0)::numeric(10,1), greatest(salary, 500), least(1, 2) FROM agents ORDER BY id",
    "SELECT status, agent_id, count(*) FROM calls GROUP BY ROLLUP (status, agent_id) ORDER BY 1, 2, 3",
    "SELECT status, agent_id, grouping(status), sum(cost) FROM calls GROUP BY GROUPING SETS ((status), (agent_id), ())",
    "SELECT id FROM calls ORDER BY seconds DESC NULLS LAST, id FETCH FIRST 3 ROWS ONLY",
    "SELECT id FROM calls ORDER BY id OFFSET 2 LIMIT 2",
    "SELECT id FROM calls WHERE status = 'queued' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT c.id FROM calls c JOIN agents a ON a.id = c.agent_id ORDER BY c.id FOR UPDATE OF c NOWAIT",
    "SELECT id FROM calls WHERE id = 1 FOR SHARE",
    "SELECT v.id, v.label, c.status FROM (VALUES (1, 'one'), (2, 'two'), (101, 'x')) AS v(id, label) "
    "JOIN calls c ON c.id = v.id ORDER BY 1",
    "WITH v(id, label) AS (VALUES (1, 'one'), (101, 'other')) SELECT v.label, c.id FROM v LEFT JOIN calls c USING (id)",
    "WITH x AS MATERIALIZED (SELECT * FROM calls) SELECT count(*) FROM x",
    "SELECT ts_rank(to_tsvector('english', body), plainto_tsquery('hello')) FROM transcripts ORDER BY id",
    "SELECT id FROM transcripts WHERE to_tsvector('english', body) @@ to_tsquery('english', 'hello') ORDER BY id",
    "SELECT count(*) FROM calls WHERE (started_at AT TIME ZONE 'UTC') < now()",
    "SELECT id, started_at + (seconds || ' seconds')::interval AS ended FROM calls ORDER BY id",
    "SELECT id, started_at + make_interval(secs => seconds) AS ended FROM calls ORDER BY id",
    "SELECT width_bucket(seconds, 0, 100, 4) AS bucket, count(*) FROM calls GROUP BY bucket ORDER BY bucket",
    "SELECT bool_and(active), bool_or(active), every(active) FROM agents",
    "SELECT id, nth_value(id, 2) OVER (PARTITION BY status ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND "
    "UNBOUNDED FOLLOWING) FROM calls ORDER BY id",
    "SELECT id, sum(seconds) FILTER (WHERE status = 'answered') OVER (ORDER BY id) FROM calls ORDER BY id",
    "SELECT (SELECT array_agg(id ORDER BY id) FROM calls WHERE agent_id = a.id) AS ids FROM agents a ORDER BY a.id",
    "SELECT ARRAY(SELECT tag FROM call_tags WHERE call_id = c.id ORDER BY tag) FROM calls c ORDER BY c.id",
    "SELECT id, (meta->>'score')::numeric BETWEEN 2 AND 5 FROM calls ORDER BY id",
    "SELECT \"calls\".\"id\" AS \"Id\" FROM \"calls\" WHERE \"calls\".\"status\" = 'missed'",
    "SELECT c.* FROM public.calls c WHERE c.id < 3",
    "SELECT id FROM calls WHERE caller COLLATE \"C\" > '+490' ORDER BY caller COLLATE \"C\", id",
    "SELECT E'line\\nbreak' AS x, id FROM agents ORDER BY id",
    "SELECT $$dollar$$ AS x FROM agents",
    "SELECT B'101' AS bits, U&'d\\0061ta' AS word FROM agents LIMIT 1",
    "SELECT encode(sha256(name::bytea), 'hex') FROM agents ORDER BY id",
    "SELECT count(*) OVER (), id FROM calls WHERE status = ANY(string_to_array('answered,missed', ',')) ORDER BY id",
    "SELECT current_date - hired > 0 FROM agents ORDER BY id",
    "SELECT overlay(caller PLACING '00' FROM 1 FOR 1), trim(both '+' FROM caller) FROM calls ORDER BY id",
    "SELECT * FROM (SELECT status, seconds FROM calls) q WHERE seconds > ALL (SELECT id FROM agents) ORDER BY 2",
    "SELECT tag, count(*) FROM call_tags TABLESAMPLE BERNOULLI (100) GROUP BY tag ORDER BY tag",
    "TABLE languages ORDER BY code",
    "SELECT CASE WHEN grouping(status) = 1 THEN 'all' ELSE status END, count(*) FROM calls GROUP BY CUBE (status) "
    "ORDER BY 1",
    "SELECT j.* FROM jsonb_to_recordset('[{\"a\": 1}, {\"a\": 101}]') AS j(a int) JOIN calls c ON c.id = j.a",
    "SELECT id FROM calls WHERE meta @? '$.path[*] ? (@ == \"4\")'",
    "SELECT jsonb_path_query_first(meta, '$.score') FROM calls ORDER BY id",
    "SELECT pg_advisory_xact_lock(42)",
    "SELECT name, rank FROM (SELECT name, rank() OVER (ORDER BY salary DESC NULLS LAST) AS rank FROM agents) r "
    "WHERE rank <= 3 ORDER BY rank",
    "WITH RECURSIVE t(id, path) AS (SELECT id, ARRAY[id] FROM agents WHERE manager_id IS NULL UNION ALL "
    "SELECT a.id, t.path || a.id FROM agents a JOIN t ON a.manager_id = t.id WHERE NOT a.id = ANY(t.path)) "
    "SELECT * FROM t ORDER BY id",
    "WITH RECURSIVE t AS (SELECT id, manager_id FROM agents WHERE manager_id IS NULL UNION ALL "
    "SELECT a.id, a.manager_id FROM agents a JOIN t ON a.manager_id = t.id) SEARCH DEPTH FIRST BY id SET ordering "
    "SELECT id FROM t ORDER BY ordering",
    "SELECT gen_random_uuid() IS NOT NULL, random() < 2, id FROM agents",
    "SELECT d.day, coalesce(x.n, 0) FROM (SELECT generate_series(1, 3) AS day) d LEFT JOIN "
    "(SELECT extract(day FROM started_at)::int AS day, count(*) AS n FROM calls GROUP BY 1) x USING (day) ORDER BY 1",
]  # fmt: skip

WRITES = [
    "INSERT INTO counters (name, value) VALUES ('calls', 1) ON CONFLICT (company_id, name) DO UPDATE SET "
    "value = counters.value + excluded.value",
    "INSERT INTO counters (name, value) VALUES (:name, 1), ('new', 2) ON CONFLICT (company_id, name) DO UPDATE SET "
    "value = EXCLUDED.value WHERE counters.value <> EXCLUDED.value RETURNING name, value",
    "INSERT INTO counters (name, value) VALUES ('calls', 1) ON CONFLICT DO NOTHING",
    "INSERT INTO invoices (id, month, total, paid) VALUES (50, date '2026-03-01', 12.5, false) "
    "ON CONFLICT (company_id, month) DO UPDATE SET total = EXCLUDED.total, paid = EXCLUDED.paid",
    "INSERT INTO agents (id, name, active, hired) VALUES (50, 'Eve', TRUE, current_date) RETURNING id",
    "INSERT INTO agents (id, name, active, skills) VALUES (50, 'Eve', true, ARRAY['en', 'fr'])",
    "INSERT INTO invoices (id, month, total, paid) SELECT 60 + count(*), date_trunc('month', max(started_at))::date "
    "+ 100, sum(cost), false FROM calls",
    "INSERT INTO call_tags (call_id, tag) SELECT id, 'long' FROM calls WHERE seconds > 50 ON CONFLICT DO NOTHING",
    "INSERT INTO calls (id, caller, status, agent_id, meta, started_at) VALUES "
    "(50, '+1', 'queued', :two, '{\"a\": 1}'::jsonb, timestamp '2026-02-02 10:00')",
    "UPDATE calls SET status = 'answered', seconds = coalesce(seconds, 0) + 10 WHERE id = :one RETURNING *",
    "UPDATE calls SET meta = meta || '{\"seen\": true}'::jsonb WHERE meta->>'source' = 'web'",
    "UPDATE calls SET meta = jsonb_set(meta, '{score}', to_jsonb(seconds)) WHERE seconds IS NOT NULL",
    "UPDATE calls c SET status = 'vip' FROM call_tags t WHERE t.call_id = c.id AND t.tag = 'vip'",
    "UPDATE calls SET cost = cost * 2 FROM agents a WHERE a.id = calls.agent_id AND a.active RETURNING calls.id",
    "UPDATE agents SET (name, email) = ('Zed', 'zed@example.com') WHERE id = 1",
    "UPDATE agents SET salary = s.total FROM (SELECT agent_id, sum(cost) AS total FROM calls GROUP BY agent_id) s "
    "WHERE s.agent_id = agents.id",
    "UPDATE agents SET skills = array_append(skills, 'fr') WHERE NOT 'fr' = ANY(skills)",
    "UPDATE calls SET status = 'done' WHERE id = (SELECT id FROM calls WHERE status = 'queued' ORDER BY id "
    "FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id",
    "UPDATE calls SET agent_id = NULL WHERE agent_id = :two",
    "UPDATE calls SET agent_id = :two WHERE status = 'missed'",
    "UPDATE calls SET agent_id = (SELECT id FROM agents WHERE name = 'Ann') WHERE agent_id IS NULL",
    "UPDATE counters SET value = v.n FROM (VALUES ('calls', 5), ('minutes', 6)) AS v(name, n) WHERE "
    "v.name = counters.name",
    "DELETE FROM call_tags USING calls c WHERE c.id = call_tags.call_id AND c.status = 'missed'",
    "DELETE FROM call_tags t USING calls c WHERE c.id = t.call_id AND c.seconds IS NULL RETURNING t.tag",
    "DELETE FROM transcripts WHERE id IN (SELECT id FROM transcripts ORDER BY id LIMIT 2)",
    "WITH gone AS (DELETE FROM transcripts WHERE lang IS NULL RETURNING id, call_id) SELECT count(*) FROM gone",
    "WITH moved AS (DELETE FROM call_tags WHERE tag = 'vip' RETURNING call_id) INSERT INTO call_tags (call_id, tag) "
    "SELECT call_id, 'gold' FROM moved",
    "WITH top AS (SELECT id FROM calls ORDER BY cost DESC LIMIT 3) UPDATE calls SET status = 'top' FROM top "
    "WHERE top.id = calls.id",
    "WITH new_call AS (INSERT INTO calls (id, caller, status) VALUES (50, '+1', 'queued') RETURNING id) "
    "INSERT INTO call_tags (call_id, tag) SELECT id, 'fresh' FROM new_call",
    "INSERT INTO counters AS c (name, value) VALUES ('calls', 1) ON CONFLICT (company_id, name) DO UPDATE SET "
    "value = c.value + 1",
    "INSERT INTO counters (company_id, name, value) VALUES ('acme', 'calls', 1) ON CONFLICT ON CONSTRAINT "
    "counters_pkey DO UPDATE SET value = excluded.value",
    "INSERT INTO invoices (id, month, total, paid) VALUES (50, '2026-04-01', DEFAULT, false)",
    "MERGE INTO counters c USING (VALUES ('calls', 1), ('new', 2)) AS v(name, n) ON c.name = v.name "
    "WHEN MATCHED THEN UPDATE SET value = c.value + v.n WHEN NOT MATCHED THEN INSERT (name, value) "
    "VALUES (v.name, v.n)",
]  # fmt: skip
