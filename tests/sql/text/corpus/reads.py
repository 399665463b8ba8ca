"""Queries that SQLite, PostgreSQL and MariaDB all take."""

PARAMETERS = {
    "low": 3,
    "day": "2026-02-01",
    "state": "answered",
    "like": "%e%",
    "one": 1,
    "two": 2,
    "name": "calls",
    "mine": "acme",
}

READS = [
    # lists and single rows
    "SELECT id, caller, status FROM calls WHERE id = :one",
    "SELECT * FROM agents WHERE email = 'agent1@Example.com' AND active",
    "SELECT a.id, a.name FROM agents a WHERE a.company_id = :mine AND a.active ORDER BY a.name",
    "SELECT id, caller FROM calls WHERE status = :state AND seconds >= :low ORDER BY started_at DESC, id LIMIT 5",
    "SELECT id FROM calls ORDER BY id DESC LIMIT 5 OFFSET 5",
    "SELECT id FROM calls WHERE id > :one ORDER BY id LIMIT :two",
    "SELECT id FROM calls WHERE (started_at, id) > ('2026-02-01 00:00:00', 2) ORDER BY started_at, id LIMIT 3",
    "SELECT DISTINCT caller FROM calls ORDER BY caller",
    "SELECT name FROM agents WHERE LOWER(email) = LOWER('AGENT2@example.com')",
    "SELECT name FROM agents WHERE name LIKE :like OR email LIKE 'agent_@%'",
    "SELECT name FROM agents WHERE name NOT LIKE 'A%' AND manager_id IS NOT NULL",
    "SELECT name FROM agents WHERE salary BETWEEN 500 AND 2500 AND NOT active = false ORDER BY name",
    "SELECT id FROM calls WHERE status IN ('answered', 'queued') AND caller NOT IN ('+490', '+491')",
    "SELECT id FROM calls WHERE seconds IS NULL OR seconds = 0 ORDER BY id",
    "SELECT id FROM calls WHERE (status = 'missed' AND seconds > 10) OR (status = 'queued' AND seconds > 50)",
    "SELECT COUNT(*) FROM calls",
    "SELECT COUNT(*) AS total FROM calls WHERE status <> 'missed'",
    "SELECT COUNT(DISTINCT caller) FROM calls",
    "SELECT EXISTS (SELECT 1 FROM calls WHERE status = 'missed')",
    "SELECT MAX(id) + 1 FROM invoices",
    "SELECT COALESCE(SUM(cost), 0) FROM calls WHERE started_at >= :day",
    "SELECT c.id, c.caller AS \"the caller\" FROM calls AS c WHERE c.id < 4" ,
    "SELECT name || ' <' || email || '>' AS label FROM agents",
    "SELECT id, seconds / 60 AS minutes, seconds % 60 AS rest FROM calls ORDER BY id",
    "SELECT CAST(id AS CHAR(10)) FROM agents ORDER BY id",
    "SELECT id, ROUND(cost * 1.19, 2) AS gross FROM calls ORDER BY id",
    "SELECT NULLIF(status, 'missed'), ABS(-seconds), LENGTH(caller), UPPER(status) FROM calls",
    "SELECT REPLACE(caller, '+49', '0'), SUBSTR(caller, 2, 3), TRIM(status) FROM calls",
    "SELECT CASE status WHEN 'answered' THEN 1 WHEN 'missed' THEN 0 ELSE NULL END AS ok FROM calls ORDER BY id",
    "SELECT CASE WHEN seconds IS NULL THEN 'none' WHEN seconds < 30 THEN 'short' ELSE 'long' END AS length, id "
    "FROM calls ORDER BY id",
    "SELECT CURRENT_TIMESTAMP IS NOT NULL AS now_known, id FROM agents",
    "SELECT 1 AS alive",
    "SELECT 'it''s -- not a comment' AS text_, id FROM agents WHERE name <> '/* nor this */'",
    "SELECT /* the newest */ id FROM calls -- all of them\n ORDER BY started_at DESC LIMIT 1",
    "SELECT name FROM languages ORDER BY code",
    "SELECT t.id, l.name FROM transcripts t LEFT JOIN languages l ON l.code = t.lang ORDER BY t.id",
    # joins
    "SELECT c.id, a.name FROM calls c JOIN agents a ON a.id = c.agent_id WHERE a.active ORDER BY c.id",
    "SELECT c.id, a.name FROM calls c LEFT JOIN agents a ON a.id = c.agent_id ORDER BY c.id",
    "SELECT c.id, COALESCE(a.name, 'nobody') FROM calls c LEFT OUTER JOIN agents a ON c.agent_id = a.id AND a.active",
    "SELECT a.name, b.name AS manager FROM agents a LEFT JOIN agents b ON b.id = a.manager_id",
    "SELECT a.name FROM agents a, calls c WHERE c.agent_id = a.id AND c.status = 'missed'",
    "SELECT a.name, COUNT(c.id) AS calls FROM agents a LEFT JOIN calls c ON c.agent_id = a.id "
    "GROUP BY a.id, a.name HAVING COUNT(c.id) > 1 ORDER BY calls DESC, a.name",
    "SELECT co.name, a.name, c.id FROM companies co JOIN agents a ON a.company_id = co.id "
    "JOIN calls c ON c.agent_id = a.id AND c.company_id = co.id ORDER BY c.id",
    "SELECT c.id, t.tag FROM calls c INNER JOIN call_tags t ON t.call_id = c.id WHERE t.tag IN ('vip', 'sales')",
    "SELECT c.id FROM calls c LEFT JOIN call_tags t ON t.call_id = c.id WHERE t.call_id IS NULL ORDER BY c.id",
    "SELECT c.id, a.name, m.name, t.body FROM calls c LEFT JOIN agents a ON a.id = c.agent_id "
    "LEFT JOIN agents m ON m.id = a.manager_id LEFT JOIN transcripts t ON t.call_id = c.id ORDER BY c.id, t.id",
    "SELECT a.name, c.id FROM agents a CROSS JOIN calls c WHERE c.seconds > 80",
    "SELECT a.id, b.id FROM calls a JOIN calls b ON a.caller = b.caller AND a.id < b.id",
    "SELECT a.name, c.id FROM calls c RIGHT JOIN agents a ON a.id = c.agent_id ORDER BY a.id, c.id",
    "SELECT calls.id, agents.name FROM calls JOIN agents ON agents.id = calls.agent_id ORDER BY calls.id",
    "SELECT x.id, y.tag FROM (calls x JOIN call_tags y ON y.call_id = x.id) JOIN agents z ON z.id = x.agent_id",
    "SELECT company_id, name, value, plan FROM counters JOIN (SELECT id AS company_id, plan FROM companies) p "
    "USING (company_id)",
    # subqueries
    "SELECT name FROM agents WHERE id IN (SELECT agent_id FROM calls WHERE status = 'missed')",
    "SELECT name FROM agents WHERE id NOT IN (SELECT agent_id FROM calls WHERE agent_id IS NOT NULL)",
    "SELECT name FROM agents a WHERE EXISTS (SELECT 1 FROM calls c WHERE c.agent_id = a.id AND c.seconds > 50)",
    "SELECT name FROM agents a WHERE NOT EXISTS (SELECT * FROM calls c WHERE c.agent_id = a.id)",
    "SELECT id FROM calls WHERE seconds > (SELECT AVG(seconds) FROM calls) ORDER BY id",
    "SELECT id, (SELECT COUNT(*) FROM call_tags t WHERE t.call_id = c.id) AS tags FROM calls c ORDER BY id",
    "SELECT id, (SELECT name FROM agents WHERE agents.id = calls.agent_id) AS agent FROM calls ORDER BY id",
    "SELECT s.status, s.n FROM (SELECT status, COUNT(*) AS n FROM calls GROUP BY status) s WHERE s.n > 2",
    "SELECT a.name, best.top FROM agents a JOIN (SELECT agent_id, MAX(seconds) AS top FROM calls GROUP BY agent_id) "
    "AS best ON best.agent_id = a.id ORDER BY a.id",
    "SELECT c.id FROM calls c WHERE c.seconds = (SELECT MAX(i.seconds) FROM calls i WHERE i.caller = c.caller)",
    "SELECT (SELECT COUNT(*) FROM calls) AS calls, (SELECT COUNT(*) FROM agents) AS agents",
    "SELECT id FROM calls WHERE agent_id = (SELECT id FROM agents ORDER BY id LIMIT 1)",
    "SELECT COUNT(*) FROM (SELECT DISTINCT caller, status FROM calls) AS pairs",
    "SELECT id FROM transcripts WHERE call_id IN (SELECT call_id FROM call_tags WHERE tag = 'vip') AND body LIKE 'H%'",
    # set operations
    "SELECT caller AS who FROM calls UNION SELECT email FROM agents ORDER BY who",
    "SELECT 'agent' AS kind, COUNT(*) AS n FROM agents UNION ALL SELECT 'call', COUNT(*) FROM calls",
    "SELECT id FROM calls EXCEPT SELECT call_id FROM call_tags",
    "SELECT call_id FROM call_tags INTERSECT SELECT call_id FROM transcripts ORDER BY call_id",
    "SELECT id FROM calls WHERE seconds > 90 UNION SELECT call_id FROM transcripts ORDER BY 1 LIMIT 3",
    # reports
    "SELECT status, COUNT(*), SUM(seconds), AVG(seconds), MIN(cost), MAX(cost) FROM calls GROUP BY status",
    "SELECT agent_id, SUM(CASE WHEN status = 'missed' THEN 1 ELSE 0 END) AS missed, COUNT(*) AS total FROM calls "
    "GROUP BY agent_id ORDER BY missed DESC, agent_id",
    "SELECT status, COUNT(*) * 100.0 / (SELECT COUNT(*) FROM calls) AS percent FROM calls GROUP BY status",
    "SELECT tag, COUNT(*) AS n, AVG(weight) FROM call_tags GROUP BY tag ORDER BY n DESC, tag",
    "SELECT a.name, SUM(c.cost) AS total FROM agents a JOIN calls c ON c.agent_id = a.id GROUP BY a.name "
    "HAVING SUM(c.cost) > 1 ORDER BY total DESC",
    "SELECT paid, COUNT(*), SUM(total) FROM invoices GROUP BY paid",
    # common table expressions
    "WITH busy AS (SELECT agent_id, COUNT(*) AS n FROM calls GROUP BY agent_id) SELECT a.name, b.n FROM agents a "
    "JOIN busy b ON b.agent_id = a.id ORDER BY b.n DESC, a.name",
    "WITH missed AS (SELECT * FROM calls WHERE status = 'missed'), tagged AS (SELECT m.id FROM missed m "
    "JOIN call_tags t ON t.call_id = m.id) SELECT COUNT(*) FROM tagged",
    "WITH RECURSIVE chain AS (SELECT id, name, manager_id, 0 AS level FROM agents WHERE manager_id IS NULL "
    "UNION ALL SELECT a.id, a.name, a.manager_id, c.level + 1 FROM agents a JOIN chain c ON c.id = a.manager_id) "
    "SELECT name, level FROM chain ORDER BY level, name",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) "
    "SELECT n.i, COUNT(c.id) FROM n LEFT JOIN calls c ON c.agent_id = n.i GROUP BY n.i ORDER BY n.i",
    "WITH per_agent AS (SELECT agent_id, SUM(seconds) AS s FROM calls GROUP BY agent_id), "
    "top AS (SELECT MAX(s) AS s FROM per_agent) SELECT p.agent_id FROM per_agent p JOIN top ON top.s = p.s",
    # window functions
    "SELECT id, ROW_NUMBER() OVER (ORDER BY started_at) AS n FROM calls",
    "SELECT id, RANK() OVER (PARTITION BY status ORDER BY seconds DESC, id) AS r FROM calls ORDER BY id",
    "SELECT id, SUM(cost) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running FROM calls",
    "SELECT id, LAG(seconds, 1) OVER (PARTITION BY caller ORDER BY started_at) AS before_ FROM calls",
    "SELECT id, AVG(seconds) OVER w, COUNT(*) OVER w FROM calls WINDOW w AS (PARTITION BY agent_id) ORDER BY id",
    "SELECT * FROM (SELECT id, caller, ROW_NUMBER() OVER (PARTITION BY caller ORDER BY started_at DESC) AS rn "
    "FROM calls) ranked WHERE rn = 1 ORDER BY id",
    "SELECT status, COUNT(*) AS n, SUM(COUNT(*)) OVER () AS total FROM calls GROUP BY status",
    "SELECT id, NTILE(4) OVER (ORDER BY seconds, id), FIRST_VALUE(caller) OVER (ORDER BY id) FROM calls",
    "SELECT id, seconds - LAG(seconds) OVER (ORDER BY id) AS change_, DENSE_RANK() OVER (ORDER BY status) FROM calls",
    "WITH ranked AS (SELECT a.name, c.seconds, RANK() OVER (PARTITION BY a.id ORDER BY c.seconds DESC) AS r "
    "FROM agents a JOIN calls c ON c.agent_id = a.id WHERE c.seconds IS NOT NULL) "
    "SELECT name, seconds FROM ranked WHERE r <= 2 ORDER BY name, seconds",
]  # fmt: skip
