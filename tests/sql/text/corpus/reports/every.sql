SELECT c.status, COUNT(*) AS total, SUM(CASE WHEN c.seconds > 60 THEN 1 ELSE 0 END) AS long_calls, MIN(c.started_at) AS first_at, MAX(c.started_at) AS last_at FROM calls AS c WHERE c.started_at >= '2026-01-01' AND c.started_at < '2026-03-01' GROUP BY c.status ORDER BY total DESC, c.status LIMIT 10
SELECT a.id, a.name, t.cnt FROM agents a INNER JOIN (SELECT agent_id, COUNT(*) AS cnt FROM calls WHERE status IN ('missed', 'queued') GROUP BY agent_id) AS t ON t.agent_id = a.id WHERE t.cnt > 1 ORDER BY t.cnt DESC, a.id
SELECT q.* FROM (SELECT c.id AS cid, c.status AS st, ROW_NUMBER() OVER (PARTITION BY c.status ORDER BY c.seconds DESC, c.id) AS pos FROM calls c) q WHERE q.pos = 1 ORDER BY q.cid
SELECT DENSE_RANK() OVER (ORDER BY COUNT(*) DESC) AS place, agent_id, COUNT(*) AS n FROM calls WHERE agent_id IS NOT NULL GROUP BY agent_id ORDER BY place, agent_id
SELECT id, seconds - AVG(seconds) OVER (PARTITION BY status) AS diff FROM calls WHERE seconds IS NOT NULL ORDER BY id
SELECT COUNT(*) AS total, COUNT(CASE WHEN paid THEN 1 END) AS paid, SUM(total) AS amount, AVG(total) AS mean FROM invoices
SELECT x.id FROM calls x WHERE x.seconds = (SELECT MAX(y.seconds) FROM calls y WHERE y.status = x.status) ORDER BY x.id
SELECT a.name, (SELECT COUNT(*) FROM calls c WHERE c.agent_id = a.id) AS handled, (SELECT MAX(c.started_at) FROM calls c WHERE c.agent_id = a.id) AS latest FROM agents a ORDER BY handled DESC, a.name
SELECT c.id FROM calls c LEFT JOIN transcripts t ON t.call_id = c.id AND t.lang = 'en' WHERE t.id IS NULL ORDER BY c.id
SELECT c.id, a.name, co.plan FROM calls c JOIN agents a ON a.id = c.agent_id JOIN companies co ON co.id = a.company_id WHERE co.plan = 'pro' ORDER BY c.id DESC LIMIT 3
SELECT caller, COUNT(*) AS n FROM calls GROUP BY caller HAVING COUNT(*) > (SELECT COUNT(*) / 10 FROM calls) ORDER BY n DESC, caller
SELECT id, caller FROM calls WHERE caller LIKE :s OR caller IS NULL ORDER BY id LIMIT :a OFFSET :z
SELECT id FROM calls WHERE (:s IS NULL OR status = :s) AND (seconds IS NULL OR seconds BETWEEN 0 AND 90) ORDER BY id DESC
SELECT id FROM calls WHERE id > :a AND id <= :b ORDER BY id ASC LIMIT 20
WITH ranked AS (SELECT id, agent_id, seconds, RANK() OVER (PARTITION BY agent_id ORDER BY seconds DESC) AS rk FROM calls), best AS (SELECT * FROM ranked WHERE rk = 1) SELECT a.name, b.seconds FROM best b JOIN agents a ON a.id = b.agent_id ORDER BY a.name, b.seconds
WITH t AS (SELECT tag, COUNT(*) AS n FROM call_tags GROUP BY tag) SELECT t1.tag, t1.n, (SELECT SUM(t2.n) FROM t t2) AS whole FROM t t1 ORDER BY t1.tag
SELECT t.tag FROM call_tags t WHERE t.call_id IN (SELECT id FROM calls WHERE agent_id IN (SELECT id FROM agents WHERE active)) GROUP BY t.tag HAVING SUM(t.weight) IS NOT NULL ORDER BY t.tag
SELECT e.name AS employee, m.name AS boss, mm.name AS big_boss FROM agents e LEFT JOIN agents m ON e.manager_id = m.id LEFT JOIN agents mm ON m.manager_id = mm.id ORDER BY e.id
SELECT status, seconds FROM calls UNION SELECT 'agent', id FROM agents ORDER BY 1, 2
SELECT 'a' AS k, COUNT(*) AS v FROM agents UNION ALL SELECT 'b', COUNT(*) FROM calls WHERE seconds IS NULL UNION ALL SELECT 'c', COUNT(*) FROM invoices ORDER BY k
SELECT i.month, i.total, SUM(i.total) OVER (ORDER BY i.month ROWS UNBOUNDED PRECEDING) AS running, i.total - LAG(i.total) OVER (ORDER BY i.month) AS delta FROM invoices i ORDER BY i.month
SELECT CASE WHEN hired < '2022-01-01' THEN 'old' WHEN hired >= '2023-01-01' THEN 'new' ELSE 'mid' END AS cohort, COUNT(*) AS n FROM agents GROUP BY 1 ORDER BY 1
SELECT l.code, l.name FROM languages l WHERE l.code NOT IN (SELECT lang FROM transcripts WHERE lang IS NOT NULL) ORDER BY l.code
SELECT c1.id, c2.id FROM calls c1 JOIN calls c2 ON c1.caller = c2.caller AND c1.id < c2.id ORDER BY c1.id, c2.id
SELECT COALESCE(a.name, 'nobody') AS who, COUNT(c.id) AS n FROM calls c LEFT JOIN agents a ON c.agent_id = a.id GROUP BY COALESCE(a.name, 'nobody') ORDER BY who
SELECT * FROM agents WHERE NOT active OR salary IS NULL ORDER BY name
SELECT DISTINCT a.name FROM agents a, calls c, call_tags t WHERE c.agent_id = a.id AND t.call_id = c.id AND t.tag = 'vip' ORDER BY a.name
SELECT id, salary, salary * 12 AS yearly, ROUND(salary / 3, 2) AS third FROM agents WHERE salary > 1000 ORDER BY salary DESC
SELECT c.* FROM calls c WHERE EXISTS (SELECT * FROM call_tags t WHERE t.call_id = c.id AND t.tag = 'vip') AND NOT EXISTS (SELECT * FROM call_tags t WHERE t.call_id = c.id AND t.tag = 'sales') ORDER BY c.id
SELECT COUNT(*) FROM (SELECT DISTINCT caller, status FROM calls) AS d
SELECT LOWER(email) AS mail, UPPER(name) AS nm, LENGTH(name) AS l FROM agents WHERE LOWER(email) LIKE '%@example.com' ORDER BY 1
UPDATE calls SET status = 'answered' WHERE id = 3 AND status = 'queued'
UPDATE calls SET seconds = COALESCE(seconds, 0) + 1, cost = cost + 0.5 WHERE agent_id IN (SELECT id FROM agents WHERE active)
UPDATE agents SET manager_id = NULL WHERE manager_id = :two
UPDATE invoices SET paid = true WHERE total <= (SELECT AVG(total) FROM (SELECT total FROM invoices) q)
DELETE FROM call_tags WHERE tag = 'sales' AND call_id IN (SELECT id FROM calls WHERE seconds < 50)
DELETE FROM transcripts WHERE NOT EXISTS (SELECT 1 FROM languages l WHERE l.code = transcripts.lang)
INSERT INTO calls (id, caller, status, seconds) VALUES (70, '+49', 'queued', NULL), (71, '+50', 'missed', 12)
INSERT INTO call_tags (call_id, tag, weight) SELECT c.id, 'auto', 1 FROM calls c WHERE c.status = 'missed' AND c.id > 3
INSERT INTO calls (id, agent_id, caller, status) SELECT 90 + a.id, a.id, '+1', 'queued' FROM agents a WHERE a.active
INSERT INTO transcripts (id, call_id, lang, body) VALUES (50, :a, 'en', 'x')
INSERT INTO invoices (id, month, total, paid) SELECT MAX(id) + 1, '2026-09-01', SUM(total), false FROM invoices
UPDATE calls SET agent_id = (SELECT MIN(id) FROM agents WHERE active) WHERE agent_id IS NULL
DELETE FROM calls WHERE id = 12
SELECT s.day, s.n, AVG(s.n) OVER (ORDER BY s.day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS ma7 FROM (SELECT DATE(started_at) AS day, COUNT(*) AS n FROM calls GROUP BY DATE(started_at)) AS s ORDER BY s.day
SELECT CURRENT_DATE > hired AS past, CURRENT_TIMESTAMP IS NOT NULL AS ts FROM agents ORDER BY id
SELECT AVG(seconds) AS m, SUM(seconds * seconds) / COUNT(*) - AVG(seconds) * AVG(seconds) AS var FROM calls WHERE seconds IS NOT NULL
SELECT id FROM calls WHERE status = 'it''s' OR caller = '' OR caller = '+491' ORDER BY id;
SELECT MAX(n) AS busiest FROM (SELECT agent_id, COUNT(*) AS n FROM calls GROUP BY agent_id) AS per_agent
SELECT a.id, a.name, COUNT(DISTINCT c.id) AS calls, COUNT(DISTINCT t.tag) AS tags, SUM(c.cost) AS cost FROM agents a LEFT JOIN calls c ON c.agent_id = a.id LEFT JOIN call_tags t ON t.call_id = c.id GROUP BY a.id, a.name HAVING COUNT(DISTINCT c.id) > 0 ORDER BY cost DESC, a.id
SELECT t.id, t.body, l.name FROM transcripts t NATURAL LEFT JOIN (SELECT code AS lang, name FROM languages) l ORDER BY t.id
