-- queries
SELECT date_trunc('hour', started_at) AS hour, status, count(*) FROM calls GROUP BY GROUPING SETS ((1, 2), (1), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT to_char(date_trunc('week', started_at), 'IYYY-"W"IW') AS week, count(*) FILTER (WHERE status = 'missed') AS missed FROM calls GROUP BY 1 ORDER BY 1
SELECT s.day::date AS day, COUNT(c.id) AS n FROM generate_series('2026-01-30'::date, '2026-02-03'::date, '1 day') AS s(day) LEFT JOIN calls c ON c.started_at >= s.day AND c.started_at < s.day + interval '1 day' GROUP BY s.day ORDER BY s.day
SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY seconds) AS p FROM calls
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY cost) AS median, avg(cost)::numeric(10, 2) FROM calls
SELECT a.name, coalesce(json_agg(json_build_object('id', c.id, 'status', c.status) ORDER BY c.id) FILTER (WHERE c.id IS NOT NULL), '[]') AS calls FROM agents a LEFT JOIN calls c ON c.agent_id = a.id GROUP BY a.id ORDER BY a.id
SELECT jsonb_build_object('total', count(*), 'by_status', (SELECT jsonb_object_agg(status, n) FROM (SELECT status, count(*) AS n FROM calls GROUP BY status) s)) FROM calls
SELECT a.name, r.id, r.started_at FROM agents a LEFT JOIN LATERAL (SELECT id, started_at FROM calls WHERE agent_id = a.id ORDER BY started_at DESC LIMIT 1) r ON true ORDER BY a.name
SELECT id FROM calls WHERE (started_at, id) < (SELECT started_at, id FROM calls WHERE id = 5) ORDER BY started_at DESC, id DESC LIMIT 3
SELECT id, meta->>'source' AS source, (meta->>'score')::int AS score FROM calls WHERE meta ? 'score' ORDER BY (meta->>'score')::int DESC NULLS LAST, id
SELECT id FROM calls WHERE meta @> '{"source":"web"}' AND NOT meta ?& array['gone'] ORDER BY id
SELECT id, jsonb_path_query_array(meta, '$.path[*] ? (@ > 2)') FROM calls ORDER BY id
SELECT key, count(*) FROM calls, jsonb_object_keys(meta) AS key GROUP BY key ORDER BY key
SELECT c.id, e.value #>> '{}' AS step, e.ordinality FROM calls c CROSS JOIN LATERAL jsonb_array_elements(c.meta->'path') WITH ORDINALITY AS e ORDER BY 1, 3
SELECT x.id, x.source FROM calls c, jsonb_to_record(c.meta) AS x(source text, id int) ORDER BY c.id
SELECT name, skills[1:2], array_to_string(skills, '/'), 'en' = ANY (skills) FROM agents ORDER BY id
SELECT skill, count(*) FROM agents CROSS JOIN unnest(skills) AS skill GROUP BY skill ORDER BY skill
SELECT id FROM calls WHERE id = ANY (ARRAY[:one, :two]) ORDER BY id
SELECT count(*), count(*) FILTER (WHERE started_at >= '2026-02-01'::timestamptz) AS recent FROM calls
SELECT started_at AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin' AS local FROM calls ORDER BY id
SELECT extract(isodow FROM started_at)::int AS dow, extract(hour FROM started_at)::int AS hour, count(*) FROM calls GROUP BY 1, 2 ORDER BY 1, 2
SELECT id, lag(started_at) OVER (PARTITION BY caller ORDER BY started_at) IS NULL AS is_new FROM calls ORDER BY id
SELECT id, sum(CASE WHEN gap > interval '30 minutes' THEN 1 ELSE 0 END) OVER (ORDER BY id) AS session FROM (SELECT id, started_at - lag(started_at) OVER (ORDER BY id) AS gap FROM calls) g ORDER BY id
SELECT id, count(*) OVER (ORDER BY started_at RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW) FROM calls ORDER BY id
SELECT id, array_agg(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM calls ORDER BY id
SELECT id, avg(seconds) OVER (w ROWS 2 PRECEDING) FROM calls WINDOW w AS (PARTITION BY status ORDER BY id) ORDER BY id
SELECT DISTINCT ON (agent_id) agent_id, id, status FROM calls WHERE agent_id IS NOT NULL ORDER BY agent_id, started_at DESC, id
SELECT id FROM calls WHERE to_tsvector('simple', coalesce(caller, '')) @@ plainto_tsquery('simple', '490') ORDER BY id
SELECT ts_headline('english', body, q), ts_rank_cd(to_tsvector('english', body), q) FROM transcripts, websearch_to_tsquery('english', 'hello -bye') AS q ORDER BY id
SELECT id FROM transcripts WHERE body ~ '^Hello\s+\d+$' AND body !~* 'bye' ORDER BY id
SELECT regexp_matches(email, '(\w+)@(\w+)') FROM agents ORDER BY id
SELECT id, CASE status WHEN 'answered' THEN 'ok'::text ELSE status::varchar(10) END FROM calls ORDER BY id
SELECT id, cost::float8, cost::money::text IS NOT NULL, seconds::bigint, id::text || '-' || status FROM calls ORDER BY id
SELECT nullif(trim(both ' ' from caller), '')::text, btrim(caller, '+') FROM calls ORDER BY id
SELECT * FROM (VALUES ('answered', 1), ('missed', 2)) AS s (status, prio) JOIN LATERAL (SELECT count(*) AS n FROM calls c WHERE c.status = s.status) x ON true ORDER BY prio
WITH latest AS MATERIALIZED (SELECT max(started_at) AS t FROM calls) SELECT c.id FROM calls c, latest WHERE c.started_at = latest.t
WITH RECURSIVE tree AS (SELECT id, name, manager_id, name::text AS path, 1 AS depth FROM agents WHERE manager_id IS NULL UNION ALL SELECT a.id, a.name, a.manager_id, tree.path || ' > ' || a.name, tree.depth + 1 FROM agents a JOIN tree ON a.manager_id = tree.id) SELECT path, depth FROM tree ORDER BY path
WITH RECURSIVE t AS (SELECT id, manager_id FROM agents WHERE id = 4 UNION SELECT a.id, a.manager_id FROM agents a JOIN t ON a.id = t.manager_id) CYCLE id SET is_cycle USING path SELECT id FROM t ORDER BY id
SELECT corr(seconds, cost), regr_slope(cost, seconds), stddev_samp(cost) FROM calls
SELECT id FROM calls WHERE status = 'queued' ORDER BY started_at FOR NO KEY UPDATE SKIP LOCKED LIMIT 1
SELECT count(*) FROM calls c WHERE NOT EXISTS (SELECT FROM call_tags t WHERE t.call_id = c.id)
SELECT a.id, b.id FROM agents a FULL OUTER JOIN calls b ON b.agent_id = a.id WHERE a.id IS NULL OR b.id IS NULL ORDER BY 1, 2
SELECT (c).id, (c).status FROM (SELECT c FROM calls c) s ORDER BY 1
SELECT id, status = ANY ('{answered,missed}') AS done FROM calls ORDER BY id
SELECT max(started_at) - min(started_at) > '1 hour'::interval, date_part('epoch', max(started_at))::bigint FROM calls
SELECT 'x' AS a, NULL::int AS b, TRUE AND NOT FALSE AS c, 1.5e2, .5 FROM agents LIMIT 1
SELECT id FROM calls ORDER BY random() LIMIT 0
SELECT string_agg(DISTINCT status, ', ' ORDER BY status) || '!' AS all_ FROM calls
SELECT id FROM calls WHERE cost BETWEEN SYMMETRIC 5 AND 0 ORDER BY id
SELECT id, started_at::time, started_at::date + 1, make_date(2026, 1, 1) FROM calls ORDER BY id
SELECT id, (seconds > 10) IS TRUE, (seconds > 10) IS NOT UNKNOWN FROM calls ORDER BY id
SELECT grouping(status, agent_id) AS g, count(*) FROM calls GROUP BY CUBE (status, agent_id) ORDER BY 1, 2
SELECT lower(daterange('2026-01-01', '2026-02-01')), int4range(1, 5) @> 3 FROM languages LIMIT 1
SELECT tsrange('2026-01-01', '2026-02-15') @> started_at FROM calls ORDER BY id
SELECT current_setting('server_version_num')::int > 100000, pg_typeof(id)::text FROM calls LIMIT 1
TABLE invoices ORDER BY id LIMIT 2
SELECT * FROM ONLY calls WHERE id < 3 ORDER BY id
SELECT id FROM calls WHERE id = :one FOR KEY SHARE OF calls
(SELECT id FROM calls ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM agents ORDER BY id DESC LIMIT 1) ORDER BY 1
SELECT c.id, sum(t.weight) OVER (PARTITION BY c.id) FROM calls c JOIN call_tags t ON (t.call_id = c.id) ORDER BY 1, 2
SELECT id FROM calls WHERE started_at > CURRENT_DATE - '100 years'::interval AND started_at < LOCALTIMESTAMP + INTERVAL '100' YEAR ORDER BY id
SELECT date_trunc('day', started_at) AS day, count(*) FILTER (WHERE status = 'answered') AS answered, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median FROM calls GROUP BY 1 ORDER BY 1
SELECT d::date AS day, count(c.id) AS n FROM generate_series('2026-01-28'::date, '2026-02-10'::date, interval '1 day') AS d LEFT JOIN calls c ON c.started_at::date = d::date GROUP BY d ORDER BY d
SELECT a.id, a.name, last.started_at FROM agents a LEFT JOIN LATERAL (SELECT c.started_at FROM calls c WHERE c.agent_id = a.id ORDER BY c.started_at DESC LIMIT 1) last ON true ORDER BY a.id
SELECT DISTINCT ON (agent_id) agent_id, id, started_at FROM calls ORDER BY agent_id, started_at DESC, id
SELECT c.id, c.meta ->> 'source' AS source, c.meta #>> '{a,b}' AS deep, c.meta @> '{"vip": true}' AS vip FROM calls c WHERE c.meta ? 'source' OR c.meta IS NULL ORDER BY c.id
SELECT key, count(*) AS n FROM calls c, jsonb_each_text(c.meta) AS kv(key, value) GROUP BY key ORDER BY key
SELECT a.name, s.skill, s.ord FROM agents a CROSS JOIN LATERAL unnest(a.skills) WITH ORDINALITY AS s(skill, ord) ORDER BY a.name, s.ord
SELECT id FROM agents WHERE skills && ARRAY['sales','support']::text[] AND NOT ('x' = ANY(skills)) ORDER BY id
SELECT string_agg(a.name, ', ' ORDER BY a.name) AS names, array_agg(DISTINCT a.active) AS flags FROM agents a
SELECT json_build_object('calls', count(*), 'seconds', coalesce(sum(seconds), 0)) AS j FROM calls
SELECT coalesce(json_agg(row_to_json(x) ORDER BY x.id), '[]'::json) AS rows FROM (SELECT id, status FROM calls WHERE id < 4) x
SELECT status, agent_id, count(*) FROM calls GROUP BY GROUPING SETS ((status), (agent_id), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT status, count(*) FROM calls GROUP BY ROLLUP (status) ORDER BY 1 NULLS FIRST
SELECT agent_id, status, count(*) FROM calls GROUP BY CUBE (agent_id, status) ORDER BY 1, 2, 3
SELECT extract(epoch FROM max(started_at) - min(started_at))::bigint AS span, to_char(min(started_at), 'YYYY-MM-DD HH24:MI') AS since FROM calls
SELECT id FROM calls WHERE started_at > now() - interval '100 years' AND started_at AT TIME ZONE 'UTC' IS NOT NULL ORDER BY id FETCH FIRST 3 ROWS ONLY
SELECT id, name FROM agents WHERE name ILIKE '%a%' AND email ~* '^[a-z].*@' ORDER BY id
SELECT a.id, similarity.n FROM agents a, LATERAL (SELECT count(*) AS n FROM calls c WHERE c.agent_id = a.id) AS similarity ORDER BY a.id
SELECT t.id, ts_rank(to_tsvector('english', t.body), plainto_tsquery('english', 'hello')) AS rank FROM transcripts t WHERE to_tsvector('english', t.body) @@ plainto_tsquery('english', 'hello') ORDER BY t.id
SELECT * FROM calls WHERE (status, agent_id) IN (('answered', 1), ('missed', 2)) ORDER BY id
SELECT v.id, v.label, c.status FROM (VALUES (1, 'one'), (2, 'two')) AS v (id, label) LEFT JOIN calls c USING (id) ORDER BY v.id
WITH moved AS MATERIALIZED (SELECT id, seconds FROM calls WHERE status = :state) SELECT count(*), sum(seconds) FROM moved
SELECT id, lead(id) OVER w - id AS gap, cume_dist() OVER w AS cd FROM calls WINDOW w AS (ORDER BY id) ORDER BY id
SELECT id, sum(seconds) OVER (ORDER BY started_at RANGE BETWEEN interval '1 day' PRECEDING AND CURRENT ROW) AS daily FROM calls ORDER BY id
SELECT i.month, i.total, i.total / NULLIF(lag(i.total) OVER (ORDER BY i.month), 0) - 1 AS growth FROM invoices i ORDER BY 1
SELECT CAST(cost AS numeric(10,2)), cost::text, seconds::float8 / 60 FROM calls ORDER BY id
SELECT a.id, a.name, a.email, count(*) FROM agents a JOIN calls c ON c.agent_id = a.id GROUP BY a.id ORDER BY a.id
SELECT a.id, a.name, count(c.id) FROM calls c FULL OUTER JOIN agents a ON a.id = c.agent_id GROUP BY a.id, a.name ORDER BY a.id NULLS LAST
SELECT generate_series(1, 3) AS n, count(*) FROM calls GROUP BY 1 ORDER BY 1
SELECT make_interval(secs => sum(seconds)::double precision) AS talk FROM calls
SELECT c.id FROM calls c WHERE c.id = ANY(ARRAY[1,2,101]) AND c.status IS DISTINCT FROM 'x' ORDER BY c.id FOR UPDATE SKIP LOCKED
SELECT width_bucket(seconds, 0, 100, 5) AS bucket, count(*) FROM calls WHERE seconds IS NOT NULL GROUP BY 1 ORDER BY 1
-- writes
INSERT INTO counters (name, value) VALUES ('calls', 5), ('x', 1) ON CONFLICT (company_id, name) DO UPDATE SET value = greatest(counters.value, excluded.value) RETURNING name, value
INSERT INTO counters AS t (name, value) SELECT status, count(*) FROM calls GROUP BY status ON CONFLICT (company_id, name) DO UPDATE SET value = t.value + excluded.value
INSERT INTO call_tags (call_id, tag) SELECT c.id, x.tag FROM calls c CROSS JOIN unnest(ARRAY['n1', 'n2']) AS x(tag) WHERE c.id < 3
WITH next AS (SELECT id FROM calls WHERE status = 'queued' ORDER BY started_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE calls c SET status = 'running', meta = c.meta || jsonb_build_object('by', 'worker') FROM next WHERE c.id = next.id RETURNING c.id, c.status
WITH done AS (UPDATE calls SET status = 'done' WHERE status = 'answered' RETURNING id, seconds) SELECT count(*), sum(seconds) FROM done
WITH dead AS (DELETE FROM transcripts t USING calls c WHERE c.id = t.call_id AND c.status = 'missed' RETURNING t.call_id) UPDATE calls SET meta = meta - 'source' WHERE id IN (SELECT call_id FROM dead)
UPDATE agents a SET salary = a.salary + s.bonus FROM (SELECT agent_id, count(*) * 10 AS bonus FROM calls GROUP BY agent_id) s WHERE s.agent_id = a.id RETURNING a.id, a.salary
UPDATE calls SET meta = jsonb_set(coalesce(meta, '{}'), '{tags}', to_jsonb(ARRAY['a', 'b'])), cost = DEFAULT WHERE id = :one
UPDATE agents SET skills = array_remove(skills, 'en') || ARRAY['it']::text[] WHERE 'en' = ANY (skills)
UPDATE agents SET skills[1] = 'xx' WHERE id = 1
UPDATE calls SET (status, seconds) = (SELECT 'agg', max(seconds) FROM calls) WHERE id = 2
UPDATE calls AS c SET status = v.status FROM (VALUES (1, 'a'), (2, 'b'), (101, 'c')) AS v (id, status) WHERE v.id = c.id
DELETE FROM calls c USING agents a WHERE a.id = c.agent_id AND a.name = 'nobody' RETURNING c.id
DELETE FROM call_tags WHERE (call_id, tag) IN (SELECT call_id, tag FROM call_tags ORDER BY call_id, tag LIMIT 2) RETURNING *
INSERT INTO invoices (id, month, total, paid) VALUES (80, date_trunc('month', timestamp '2026-08-05')::date, 1, false) ON CONFLICT (company_id, month) DO UPDATE SET total = invoices.total + EXCLUDED.total WHERE NOT invoices.paid
INSERT INTO agents (id, name, active, skills) VALUES (:one + 80, 'Zoe', true, '{en,de}') ON CONFLICT (id) DO NOTHING RETURNING id
SELECT pg_notify('jobs', 'call 1')
UPDATE calls SET status = 'taken' WHERE id = (SELECT id FROM calls WHERE status = :state ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, status
WITH next AS (SELECT id FROM calls WHERE status = :state ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 2) UPDATE calls c SET status = 'taken', started_at = '2026-03-01' FROM next WHERE next.id = c.id RETURNING c.id
INSERT INTO counters (name, value) VALUES (:name, 1) ON CONFLICT (company_id, name) DO UPDATE SET value = counters.value + EXCLUDED.value RETURNING value
INSERT INTO call_tags (call_id, tag, weight) SELECT id, 'bulk', 1 FROM calls WHERE seconds > 10 ON CONFLICT (call_id, tag) DO UPDATE SET weight = call_tags.weight + 1
INSERT INTO call_tags AS t (call_id, tag, weight) VALUES (:one, 'vip', 9) ON CONFLICT (call_id, tag) DO UPDATE SET weight = greatest(t.weight, excluded.weight) WHERE t.weight IS DISTINCT FROM excluded.weight
WITH gone AS (DELETE FROM call_tags WHERE weight IS NULL RETURNING call_id) SELECT count(*) FROM gone
DELETE FROM call_tags t USING calls c WHERE c.id = t.call_id AND c.status = :state RETURNING t.call_id, t.tag
UPDATE calls c SET cost = v.cost FROM (VALUES (1, 1.5), (2, 2.5)) AS v(id, cost) WHERE v.id = c.id
UPDATE calls SET meta = jsonb_set(coalesce(meta, '{}'::jsonb), '{seen}', 'true'), seconds = coalesce(seconds, 0) + 1 WHERE id = :low
UPDATE agents SET skills = array_append(skills, 'night') WHERE NOT skills @> ARRAY['night']
UPDATE calls SET agent_id = a.id FROM agents a WHERE a.name = 'Ann' AND calls.agent_id IS NULL
INSERT INTO transcripts (id, call_id, lang, body) SELECT 60 + row_number() OVER (ORDER BY c.id), c.id, 'en', format('call %s', c.id) FROM calls c WHERE NOT EXISTS (SELECT 1 FROM transcripts t WHERE t.call_id = c.id)
UPDATE invoices SET (total, paid) = (SELECT sum(cost), true FROM calls) WHERE month = (SELECT max(month) FROM invoices)
