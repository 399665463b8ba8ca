-- queries
SELECT (SELECT COUNT(*) FROM calls WHERE status = 'missed') AS missed, (SELECT SUM(total) FROM invoices WHERE NOT paid) AS open_total, (SELECT COUNT(*) FROM agents WHERE active) AS active
SELECT status, COUNT(*) AS n, ROUND(100.0 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS share FROM calls GROUP BY status ORDER BY n DESC, status
SELECT a.id, a.name, COUNT(c.id) AS calls, COALESCE(SUM(c.seconds), 0) AS seconds, COALESCE(AVG(c.cost), 0) AS cost FROM agents AS a LEFT JOIN calls AS c ON c.agent_id = a.id AND c.status = 'answered' GROUP BY a.id, a.name ORDER BY calls DESC, a.id
SELECT CASE WHEN seconds < 30 THEN '0-30' WHEN seconds < 60 THEN '30-60' ELSE '60+' END AS bucket, COUNT(*) AS n FROM calls WHERE seconds IS NOT NULL GROUP BY CASE WHEN seconds < 30 THEN '0-30' WHEN seconds < 60 THEN '30-60' ELSE '60+' END ORDER BY bucket
SELECT 'calls' AS metric, COUNT(*) AS value FROM calls UNION ALL SELECT 'agents', COUNT(*) FROM agents UNION ALL SELECT 'open invoices', COUNT(*) FROM invoices WHERE paid = FALSE ORDER BY metric
SELECT COUNT(*) AS total, COUNT(agent_id) AS assigned, COUNT(*) - COUNT(agent_id) AS open_, COUNT(DISTINCT agent_id) AS agents FROM calls
SELECT SUM(CASE WHEN status = 'answered' THEN 1 ELSE 0 END) AS answered, SUM(CASE WHEN status = 'missed' THEN 1 ELSE 0 END) AS missed, SUM(CASE WHEN status NOT IN ('answered', 'missed') THEN 1 ELSE 0 END) AS other FROM calls
SELECT a.name, x.status, x.n FROM agents a INNER JOIN (SELECT agent_id, status, COUNT(*) AS n FROM calls GROUP BY agent_id, status) AS x ON x.agent_id = a.id ORDER BY a.name, x.status
SELECT COALESCE(a.name, '(none)') AS agent, COUNT(*) AS n FROM calls c LEFT JOIN agents a ON a.id = c.agent_id GROUP BY a.name ORDER BY n DESC, agent LIMIT 10
SELECT MIN(started_at) AS first_, MAX(started_at) AS last_ FROM calls
SELECT caller, COUNT(*) AS n FROM calls GROUP BY caller HAVING COUNT(*) > 1 AND MAX(seconds) > :low ORDER BY n DESC, caller
SELECT l.name, COUNT(t.id) AS n FROM languages l LEFT JOIN transcripts t ON t.lang = l.code GROUP BY l.code, l.name ORDER BY l.name
SELECT t.tag, COUNT(DISTINCT c.caller) AS callers FROM call_tags t JOIN calls c ON c.id = t.call_id GROUP BY t.tag ORDER BY callers DESC, t.tag
SELECT i.month, i.total, i.total - COALESCE(LAG(i.total) OVER (ORDER BY i.month), 0) AS growth FROM invoices i ORDER BY i.month
SELECT plan, (SELECT COUNT(*) FROM agents a WHERE a.company_id = companies.id) AS seats FROM companies
WITH totals AS (SELECT agent_id, SUM(cost) AS cost FROM calls GROUP BY agent_id) SELECT a.name, t.cost, RANK() OVER (ORDER BY t.cost DESC) AS place FROM totals t JOIN agents a ON a.id = t.agent_id ORDER BY place, a.name
WITH daily AS (SELECT started_at, status FROM calls), missed AS (SELECT * FROM daily WHERE status = 'missed') SELECT (SELECT COUNT(*) FROM missed) * 100 / COUNT(*) AS percent_missed FROM daily
WITH RECURSIVE reports (id, root, depth) AS (SELECT id, id, 0 FROM agents UNION ALL SELECT a.id, r.root, r.depth + 1 FROM agents a JOIN reports r ON a.manager_id = r.id WHERE r.depth < 5) SELECT root, COUNT(*) - 1 AS below FROM reports GROUP BY root ORDER BY root
SELECT id, caller, status FROM calls WHERE (status = :state OR :one = 2) ORDER BY id LIMIT 20 OFFSET 0
SELECT id, COUNT(*) OVER () AS total FROM calls WHERE status <> 'x' ORDER BY id LIMIT 3 OFFSET 3
SELECT id, started_at FROM calls WHERE started_at < '2026-02-02 00:00:00' OR (started_at = '2026-02-02 00:00:00' AND id < 5) ORDER BY started_at DESC, id DESC LIMIT 5
SELECT * FROM (SELECT id, caller, seconds FROM calls ORDER BY seconds DESC, id LIMIT 5) AS page ORDER BY id
SELECT COUNT(*) FROM (SELECT c.id FROM calls c LEFT JOIN call_tags t ON t.call_id = c.id WHERE t.tag = 'vip' GROUP BY c.id) AS counted
SELECT id FROM calls WHERE id IN (:one, :two, 3) AND status IN ('answered', 'missed', 'queued') ORDER BY 1
SELECT id FROM calls WHERE LOWER(caller) LIKE LOWER(:like) OR CAST(id AS CHAR(10)) = '3' ORDER BY id DESC
SELECT a.id, a.name FROM agents a WHERE a.name LIKE 'A%' OR a.name LIKE '%n' ORDER BY CASE WHEN a.name = 'Ann' THEN 0 ELSE 1 END, a.name
SELECT name FROM agents ORDER BY CASE WHEN email IS NULL THEN 1 ELSE 0 END, email, id LIMIT 2
SELECT c.id FROM calls c WHERE c.id NOT IN (SELECT t.call_id FROM transcripts t) AND NOT EXISTS (SELECT 1 FROM call_tags x WHERE x.call_id = c.id AND x.tag = 'sales') ORDER BY c.id
SELECT DISTINCT a.name FROM agents a JOIN calls c ON c.agent_id = a.id JOIN call_tags t ON t.call_id = c.id WHERE t.tag IN ('vip', 'complaint') ORDER BY a.name
SELECT c.id FROM calls c JOIN call_tags t ON t.call_id = c.id WHERE t.tag IN ('vip', 'sales') GROUP BY c.id HAVING COUNT(DISTINCT t.tag) = 2 ORDER BY c.id
SELECT ((id)) FROM calls WHERE ((status = 'missed') AND ((seconds > 1) OR (cost > 0))) ORDER BY ((id))
select distinct c.status as s from calls as c where c.seconds between :one and 1000 order by s desc
SELECT c.id,a.name,c.status FROM calls c,agents a WHERE a.id=c.agent_id AND c.seconds>=:low ORDER BY c.id
SELECT id FROM calls WHERE NOT (status = 'missed' OR status = 'queued') AND -seconds < 0 AND +seconds > 0 ORDER BY id
SELECT id FROM calls WHERE status = 'missed' AND agent_id IS NULL UNION SELECT id FROM calls WHERE seconds = 0 ORDER BY id LIMIT 5
SELECT 1 FROM calls WHERE id = :one AND EXISTS (SELECT 1 FROM agents WHERE id = :one)
SELECT id AS "Call", caller AS "Phone number" FROM calls ORDER BY id LIMIT 3
SELECT id, status, agent_id FROM calls WHERE status = 'queued' AND agent_id IS NULL ORDER BY started_at, id LIMIT 1
SELECT id, status, ROW_NUMBER() OVER (PARTITION BY status ORDER BY started_at DESC, id DESC) AS rn FROM calls ORDER BY status, rn
SELECT agent_id, id, SUM(seconds) OVER (PARTITION BY agent_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS running FROM calls ORDER BY agent_id, id
SELECT id, AVG(cost) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS moving FROM calls ORDER BY id
SELECT id, seconds, LEAD(seconds) OVER (ORDER BY id) - seconds AS delta FROM calls ORDER BY id
SELECT id, PERCENT_RANK() OVER (ORDER BY cost, id) AS p, CUME_DIST() OVER (ORDER BY cost, id) AS d FROM calls ORDER BY id
SELECT id, FIRST_VALUE(id) OVER w AS first_id, LAST_VALUE(id) OVER w AS last_id FROM calls WINDOW w AS (PARTITION BY status ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY id
WITH ranked AS (SELECT c.*, ROW_NUMBER() OVER (PARTITION BY c.caller ORDER BY c.started_at DESC, c.id) AS rn FROM calls c) SELECT id, caller, status FROM ranked WHERE rn = 1 ORDER BY id
SELECT name, salary, salary - AVG(salary) OVER () AS off FROM agents ORDER BY name
SELECT MAX(n) FROM (SELECT agent_id, COUNT(*) AS n FROM calls GROUP BY agent_id) AS per_agent
SELECT status, MAX(CASE WHEN rn = 1 THEN id END) AS newest, MAX(CASE WHEN rn = 2 THEN id END) AS second_ FROM (SELECT id, status, ROW_NUMBER() OVER (PARTITION BY status ORDER BY started_at DESC, id) AS rn FROM calls) r GROUP BY status ORDER BY status
SELECT c.id, COALESCE(m.name, a.name, 'nobody') AS who FROM calls c LEFT JOIN agents a ON a.id = c.agent_id LEFT JOIN agents m ON m.id = a.manager_id ORDER BY c.id
SELECT c.id, t.tag, r.body FROM calls c LEFT JOIN call_tags t ON t.call_id = c.id AND t.weight > 1 LEFT JOIN transcripts r ON r.call_id = c.id WHERE t.tag IS NOT NULL OR r.id IS NOT NULL ORDER BY c.id, t.tag
SELECT a.name, b.name FROM agents a JOIN agents b ON a.id <> b.id AND COALESCE(a.manager_id, 0) = COALESCE(b.manager_id, 0) ORDER BY a.id, b.id
SELECT c.id FROM calls c LEFT JOIN (SELECT call_id, COUNT(*) AS n FROM call_tags GROUP BY call_id) t ON t.call_id = c.id WHERE COALESCE(t.n, 0) = 0 ORDER BY c.id
SELECT c.id, l.name FROM calls c JOIN transcripts t ON t.call_id = c.id LEFT JOIN languages l ON l.code = t.lang WHERE l.code IS NULL OR l.code <> 'de' ORDER BY c.id
SELECT a.name FROM agents a WHERE (SELECT COUNT(*) FROM calls c WHERE c.agent_id = a.id) >= 2 ORDER BY a.name
SELECT co.id, co.plan, i.total FROM companies co LEFT JOIN invoices i ON i.company_id = co.id AND i.paid ORDER BY i.total
SELECT name FROM agents WHERE id = (SELECT agent_id FROM calls WHERE agent_id IS NOT NULL GROUP BY agent_id ORDER BY COUNT(*) DESC, agent_id LIMIT 1)
SELECT x.kind, x.id FROM (SELECT 'call' AS kind, id FROM calls UNION ALL SELECT 'transcript', id FROM transcripts) AS x ORDER BY x.kind, x.id LIMIT 7
SELECT id FROM calls EXCEPT SELECT call_id FROM transcripts ORDER BY id
SELECT COUNT(*) FROM calls WHERE agent_id IN (SELECT id FROM agents WHERE manager_id IN (SELECT id FROM agents WHERE manager_id IS NULL))
select count(*) total, count(distinct agent_id) agents, avg(seconds) avg_seconds from calls where status in ('answered','missed') and started_at between '2026-01-01' and '2026-12-31'
SELECT a.name, COUNT(c.id) AS n, SUM(CASE WHEN c.status='answered' THEN 1 ELSE 0 END) AS answered FROM agents a LEFT JOIN calls c ON c.agent_id=a.id AND c.seconds>0 GROUP BY a.id, a.name HAVING COUNT(c.id)>0 ORDER BY n DESC, a.name LIMIT 10 OFFSET 0
SELECT a.id, a.name, COUNT(c.id) AS n FROM calls c RIGHT JOIN agents a ON a.id = c.agent_id GROUP BY a.id ORDER BY a.id
SELECT c.id FROM calls c WHERE NOT EXISTS (SELECT * FROM transcripts t WHERE t.call_id=c.id) ORDER BY c.id DESC LIMIT 5
SELECT c.id, c.status FROM calls AS c WHERE (c.started_at, c.id) < ('2026-02-03', 100) ORDER BY c.started_at DESC, c.id DESC LIMIT 20
SELECT * FROM (SELECT c.id, c.agent_id, ROW_NUMBER() OVER (PARTITION BY c.agent_id ORDER BY c.started_at DESC, c.id) AS rn FROM calls c) ranked WHERE rn <= 2 ORDER BY agent_id, id
SELECT id, seconds, seconds - LAG(seconds) OVER (ORDER BY id) AS delta, SUM(seconds) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running FROM calls ORDER BY id
SELECT id, NTILE(4) OVER (ORDER BY seconds, id) AS quartile, PERCENT_RANK() OVER (ORDER BY seconds) AS pr FROM calls WHERE seconds IS NOT NULL ORDER BY id
SELECT id, FIRST_VALUE(status) OVER w AS first_status, LAST_VALUE(status) OVER (PARTITION BY agent_id ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last_status FROM calls WINDOW w AS (PARTITION BY agent_id ORDER BY id) ORDER BY id
WITH per_agent AS (SELECT agent_id, COUNT(*) AS n, SUM(cost) AS cost FROM calls GROUP BY agent_id), ranked AS (SELECT p.*, RANK() OVER (ORDER BY n DESC) AS r FROM per_agent p) SELECT a.name, r.n, r.cost, r.r FROM ranked r JOIN agents a ON a.id = r.agent_id ORDER BY r.r, a.name
WITH RECURSIVE chain (id, name, depth) AS (SELECT id, name, 0 FROM agents WHERE manager_id IS NULL UNION ALL SELECT a.id, a.name, chain.depth + 1 FROM agents a INNER JOIN chain ON a.manager_id = chain.id) SELECT depth, COUNT(*) AS n FROM chain GROUP BY depth ORDER BY depth
WITH RECURSIVE up AS (SELECT id, manager_id FROM agents WHERE id = :low UNION SELECT a.id, a.manager_id FROM agents a, up WHERE a.id = up.manager_id) SELECT id FROM up ORDER BY id
SELECT 'calls' AS kind, COUNT(*) AS n FROM calls UNION ALL SELECT 'agents', COUNT(*) FROM agents UNION ALL SELECT 'invoices', COUNT(*) FROM invoices ORDER BY kind
SELECT id FROM calls WHERE status='answered' EXCEPT SELECT call_id FROM call_tags ORDER BY id
SELECT id FROM calls INTERSECT SELECT call_id FROM transcripts ORDER BY 1
SELECT COALESCE(NULLIF(TRIM(a.email), ''), 'none') AS email, UPPER(SUBSTR(a.name, 1, 1)) AS initial FROM agents a ORDER BY a.id
SELECT a.name manager, b.name report FROM agents a JOIN agents b ON b.manager_id = a.id WHERE a.active ORDER BY 1, 2
SELECT l.name, COUNT(t.id) AS n FROM languages l LEFT OUTER JOIN transcripts t ON t.lang = l.code GROUP BY l.code, l.name ORDER BY l.name
SELECT t.tag, MIN(c.started_at) AS first_seen, MAX(c.started_at) AS last_seen, ROUND(AVG(c.seconds), 1) AS average FROM call_tags t INNER JOIN calls c ON (c.id = t.call_id) GROUP BY t.tag ORDER BY t.tag
SELECT (SELECT COUNT(*) FROM calls) AS calls, (SELECT COUNT(*) FROM agents WHERE active) AS agents, (SELECT COALESCE(SUM(total), 0) FROM invoices WHERE NOT paid) AS due
SELECT c.id, (SELECT GROUP_TAG.tag FROM call_tags GROUP_TAG WHERE GROUP_TAG.call_id = c.id ORDER BY GROUP_TAG.tag LIMIT 1) AS tag FROM calls c ORDER BY c.id
SELECT CASE WHEN seconds IS NULL THEN 'none' WHEN seconds < 30 THEN 'short' WHEN seconds BETWEEN 30 AND 60 THEN 'medium' ELSE 'long' END AS bucket, COUNT(*) AS n FROM calls GROUP BY CASE WHEN seconds IS NULL THEN 'none' WHEN seconds < 30 THEN 'short' WHEN seconds BETWEEN 30 AND 60 THEN 'medium' ELSE 'long' END ORDER BY n DESC, bucket
SELECT i.month, i.total, SUM(i.total) OVER (ORDER BY i.month) AS cumulative FROM invoices i ORDER BY i.month
SELECT c.* FROM calls c JOIN (SELECT agent_id, MAX(started_at) AS latest FROM calls GROUP BY agent_id) m ON m.agent_id = c.agent_id AND m.latest = c.started_at ORDER BY c.id
SELECT DISTINCT t.tag FROM call_tags t WHERE t.tag LIKE :like AND t.weight IS NOT NULL ORDER BY t.tag
SELECT a.id, a.name FROM agents a WHERE LOWER(a.name) LIKE LOWER(:like) OR LOWER(a.email) LIKE LOWER(:like) ORDER BY a.name, a.id LIMIT 25
SELECT x.status, x.n, ROUND(100.0 * x.n / (SELECT COUNT(*) FROM calls), 2) AS share FROM (SELECT status, COUNT(*) AS n FROM calls GROUP BY status) x ORDER BY x.status
SELECT agent_id FROM calls GROUP BY agent_id HAVING SUM(seconds) > (SELECT AVG(s) FROM (SELECT SUM(seconds) AS s FROM calls GROUP BY agent_id) q) ORDER BY agent_id
SELECT c.id, t1.tag, t2.tag FROM calls c JOIN call_tags t1 ON t1.call_id=c.id JOIN call_tags t2 ON t2.call_id=c.id AND t2.tag>t1.tag ORDER BY 1,2,3
SELECT a.name, i.total FROM agents a CROSS JOIN invoices i WHERE i.total > a.salary OR a.salary IS NULL ORDER BY a.name, i.total
SELECT id, -seconds AS negative, seconds*60.0/100 AS x, seconds % 7 AS rest FROM calls ORDER BY id
SELECT id FROM calls WHERE started_at >= :day AND status <> 'x' AND id NOT IN (1,2,3) AND (agent_id IS NULL OR agent_id > 0) ORDER BY started_at DESC, id LIMIT 3
SELECT t.lang, t.body FROM transcripts t NATURAL JOIN languages l ORDER BY t.id
SELECT co.name, co.plan, COUNT(a.id) AS seats FROM companies co LEFT JOIN agents a ON a.company_id = co.id GROUP BY co.id, co.name, co.plan
SELECT COUNT(*) FROM (SELECT 1 FROM calls WHERE agent_id IS NOT NULL GROUP BY agent_id HAVING COUNT(*) > 1) AS busy
-- writes
UPDATE calls SET status = 'running', agent_id = :two WHERE id = :one AND status = 'answered'
UPDATE calls SET agent_id = (SELECT MIN(id) FROM agents WHERE active) WHERE status = 'queued' AND agent_id IS NULL
UPDATE agents SET salary = salary * 1.05, name = UPPER(name) WHERE id IN (SELECT agent_id FROM calls WHERE status = 'answered')
UPDATE invoices SET paid = TRUE WHERE month <= '2026-01-31' AND NOT paid
UPDATE calls SET status = CASE WHEN seconds > 50 THEN 'long' WHEN seconds IS NULL THEN 'none' ELSE status END
UPDATE counters SET value = value + 1 WHERE name = :name
UPDATE transcripts SET body = REPLACE(body, 'Hello', 'Bye'), lang = 'de' WHERE call_id IN (SELECT id FROM calls WHERE status = 'missed')
UPDATE agents SET manager_id = NULL WHERE manager_id = 1
INSERT INTO counters (name, value) VALUES ('a', 1), ('b', 2), ('c', 3)
INSERT INTO counters (company_id, name, value) SELECT company_id, 'sum', SUM(seconds) FROM calls GROUP BY company_id
INSERT INTO call_tags (call_id, tag, weight) SELECT id, 'long', 1 FROM calls c WHERE seconds > 50 AND NOT EXISTS (SELECT 1 FROM call_tags t WHERE t.call_id = c.id AND t.tag = 'long')
INSERT INTO transcripts (id, call_id, body) SELECT 60 + c.id, c.id, 'none' FROM calls c LEFT JOIN transcripts t ON t.call_id = c.id WHERE t.id IS NULL
INSERT INTO calls (id, caller, status, seconds, started_at) VALUES (60, '+44', 'queued', NULL, '2026-02-03 10:00:00')
INSERT INTO invoices (id, month, total, paid) SELECT 70, '2026-09-01', COALESCE(SUM(cost), 0), FALSE FROM calls WHERE status = 'answered'
DELETE FROM call_tags WHERE tag = 'vip' AND weight IS NULL
DELETE FROM transcripts WHERE call_id IN (SELECT id FROM calls WHERE started_at < '2026-02-01')
DELETE FROM transcripts WHERE NOT EXISTS (SELECT 1 FROM call_tags t WHERE t.call_id = transcripts.call_id)
DELETE FROM counters WHERE value = 0 OR name LIKE 'tmp%'
DELETE FROM call_tags WHERE call_id = :one AND tag NOT IN ('vip', 'sales')
UPDATE calls SET status = 'taken', agent_id = :one WHERE id = (SELECT MIN(id) FROM (SELECT id FROM calls WHERE status = :state) q)
DELETE FROM call_tags WHERE call_id IN (SELECT c.id FROM calls c WHERE c.status = :state) AND weight IS NULL
DELETE FROM transcripts WHERE NOT EXISTS (SELECT 1 FROM languages l WHERE l.code = transcripts.lang)
UPDATE invoices SET paid = true, total = ROUND(total * 1.19, 2) WHERE NOT paid AND month < :day
INSERT INTO invoices (id, month, total, paid) SELECT 80, '2028-01-01', SUM(cost), false FROM calls WHERE status = :state
INSERT INTO call_tags (call_id, tag, weight) SELECT id, 'long', seconds FROM calls WHERE seconds > (SELECT AVG(seconds) FROM calls)
UPDATE calls SET agent_id = NULL, status = 'queued' WHERE agent_id IN (SELECT id FROM agents WHERE NOT active)
UPDATE agents SET email = LOWER(name) || '@example.com' WHERE email IS NULL
