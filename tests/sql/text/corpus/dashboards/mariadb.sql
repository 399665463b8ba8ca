-- queries
SELECT DATE(started_at) AS day, COUNT(*) AS n, SUM(IF(status = 'missed', 1, 0)) AS missed FROM calls GROUP BY DATE(started_at) ORDER BY day DESC
SELECT DATE_FORMAT(started_at, '%x-%v') AS week, COUNT(*) FROM calls GROUP BY week ORDER BY week
SELECT YEAR(month) AS y, MONTHNAME(month) AS m, FORMAT(SUM(total), 2) FROM invoices GROUP BY y, m ORDER BY y, m
SELECT status, COUNT(*) AS n FROM calls GROUP BY status WITH ROLLUP HAVING n > 0
SELECT a.name, COUNT(c.id) n, MAX(c.started_at) `last call` FROM agents a LEFT JOIN calls c ON c.agent_id = a.id GROUP BY a.id ORDER BY n DESC, a.name LIMIT 0, 10
SELECT GROUP_CONCAT(DISTINCT tag ORDER BY tag DESC SEPARATOR '|') AS tags, call_id FROM call_tags GROUP BY call_id ORDER BY call_id
SELECT JSON_EXTRACT(meta, '$.source') AS src, JSON_VALUE(meta, '$.score') + 0 AS score FROM calls ORDER BY id
SELECT JSON_ARRAYAGG(JSON_OBJECT('id', id, 'caller', caller)) AS j FROM calls WHERE id < 3
SELECT c.id, jt.pos, jt.step FROM calls c JOIN JSON_TABLE(c.meta, '$.path[*]' COLUMNS (pos FOR ORDINALITY, step VARCHAR(20) PATH '$' DEFAULT 'x' ON EMPTY)) AS jt ORDER BY c.id, jt.pos
SELECT id FROM calls WHERE JSON_EXISTS(meta, '$.score') AND JSON_TYPE(JSON_EXTRACT(meta, '$.path')) = 'ARRAY' ORDER BY id
SELECT id, TIMESTAMPDIFF(MINUTE, started_at, '2026-03-01 00:00:00') AS age FROM calls ORDER BY age, id
SELECT id FROM calls WHERE started_at BETWEEN '2026-02-01' AND '2026-02-01' + INTERVAL 1 DAY - INTERVAL 1 SECOND ORDER BY id
SELECT HOUR(started_at) h, WEEKDAY(started_at) d, COUNT(*) FROM calls GROUP BY h, d ORDER BY h, d
SELECT FLOOR(seconds / 10) * 10 AS bucket, COUNT(*) FROM calls GROUP BY bucket ORDER BY bucket
SELECT id, IFNULL(NULLIF(caller, ''), 'unknown') FROM calls ORDER BY id
SELECT id, SUM(seconds) OVER (ORDER BY id) AS running, ROUND(AVG(cost) OVER (PARTITION BY status), 2) FROM calls ORDER BY id
SELECT SQL_NO_CACHE id FROM calls WHERE caller LIKE '%49%' ORDER BY id
SELECT id FROM calls WHERE caller REGEXP '^[+][0-9]+$' AND NOT (status REGEXP BINARY 'X') ORDER BY id
SELECT CONCAT(UCASE(LEFT(name, 1)), LCASE(SUBSTRING(name, 2))) AS nice FROM agents ORDER BY id
SELECT CONVERT(caller USING utf8mb4), CAST(cost AS SIGNED), CAST(started_at AS DATE) FROM calls ORDER BY id
SELECT id FROM calls WHERE status IN ('missed') ORDER BY FIELD(status, 'missed'), id DESC LIMIT 3
SELECT c.id FROM calls c STRAIGHT_JOIN agents a ON a.id = c.agent_id ORDER BY c.id
SELECT c.id, a.name FROM calls c LEFT JOIN agents a USING (company_id) WHERE a.id = c.agent_id ORDER BY c.id
SELECT id FROM calls IGNORE INDEX (PRIMARY) WHERE id > 3 ORDER BY id LIMIT 2
SELECT BIT_AND(id), BIT_XOR(id), STD(seconds), VAR_SAMP(seconds) FROM calls
SELECT id FROM calls WHERE status = 'queued' ORDER BY started_at LIMIT 1 FOR UPDATE NOWAIT
SELECT EXISTS(SELECT * FROM calls WHERE status = 'missed') AS any_missed, ISNULL(NULL), 5 MOD 3, 7 DIV 2
SELECT COALESCE(SUM(cost), 0.00) + 0e0, 0x41, b'1', X'42' FROM calls
SELECT id, LPAD(MOD(seconds, 60), 2, '0') FROM calls ORDER BY id DESC
SELECT n.n, COUNT(c.id) FROM (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2) n LEFT JOIN calls c ON MOD(c.id, 3) = n.n GROUP BY n.n ORDER BY n.n
WITH RECURSIVE seq AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM seq WHERE n < 12) SELECT seq.n, IFNULL(SUM(i.total), 0) FROM seq LEFT JOIN invoices i ON MONTH(i.month) = seq.n GROUP BY seq.n ORDER BY seq.n
SELECT name FROM agents WHERE name LIKE '%\_%' OR name LIKE 'A%' ORDER BY name
SELECT name FROM agents WHERE SOUNDEX(name) = SOUNDEX('An') OR name SOUNDS LIKE 'Ann' ORDER BY name
SELECT id FROM calls ORDER BY id DESC LIMIT 5 OFFSET 2
SELECT DATE(started_at) AS day, COUNT(*) AS n, SUM(status = 'answered') AS answered, SEC_TO_TIME(SUM(seconds)) AS talk FROM calls GROUP BY DATE(started_at) ORDER BY day
SELECT DATE_FORMAT(started_at, '%Y-%m') AS month, COUNT(*) AS n FROM calls GROUP BY month WITH ROLLUP
SELECT a.name, GROUP_CONCAT(DISTINCT c.status ORDER BY c.status SEPARATOR '/') AS statuses FROM agents a LEFT JOIN calls c ON c.agent_id = a.id GROUP BY a.id ORDER BY a.id
SELECT SQL_CALC_FOUND_ROWS id FROM calls ORDER BY id LIMIT 2, 3
SELECT id, IF(seconds > 30, 'long', 'short') AS kind, IFNULL(agent_id, 0) AS agent FROM calls ORDER BY id
SELECT id, JSON_UNQUOTE(JSON_EXTRACT(meta, '$.source')) AS source, JSON_VALUE(meta, '$.source') AS v FROM calls ORDER BY id
SELECT id FROM calls WHERE JSON_CONTAINS(meta, '1', '$.a') OR meta IS NULL ORDER BY id
SELECT `c`.`id`, `a`.`name` FROM `calls` AS `c` INNER JOIN `agents` AS `a` ON `a`.`id` = `c`.`agent_id` WHERE `c`.`started_at` >= '2026-01-01 00:00:00' ORDER BY `c`.`id` ASC LIMIT 10
SELECT id FROM calls WHERE started_at BETWEEN DATE_SUB('2026-02-10', INTERVAL 30 DAY) AND NOW() ORDER BY id
SELECT id, TIMESTAMPDIFF(MINUTE, started_at, '2026-03-01') AS age, YEAR(started_at) AS y, WEEK(started_at, 3) AS w FROM calls ORDER BY id
SELECT c.id FROM calls c USE INDEX (PRIMARY) WHERE c.id > 3 ORDER BY c.id LOCK IN SHARE MODE
SELECT STRAIGHT_JOIN a.name, c.id FROM agents a JOIN calls c ON c.agent_id = a.id ORDER BY c.id
SELECT name FROM agents WHERE name REGEXP '^[A-C]' AND name NOT RLIKE 'zz' ORDER BY name
SELECT id FROM calls WHERE FIND_IN_SET(status, 'answered,missed') > 0 ORDER BY FIELD(status, 'missed', 'answered'), id
SELECT id FROM calls WHERE status <=> NULL OR !(seconds < 5) ORDER BY id
SELECT MD5(name) AS m, CONCAT_WS(' ', name, email) AS w, LPAD(id, 5, '0') AS p FROM agents ORDER BY id
SELECT CAST(cost AS DECIMAL(10,2)) AS c, CONVERT(seconds, CHAR) AS s, seconds DIV 60 AS m, seconds MOD 60 AS r FROM calls ORDER BY id
SELECT MATCH_COUNT.n FROM (SELECT COUNT(*) n FROM call_tags) MATCH_COUNT
SELECT a.id, (SELECT COUNT(*) FROM calls c WHERE c.agent_id = a.id AND c.status = 'missed') / GREATEST((SELECT COUNT(*) FROM calls c WHERE c.agent_id = a.id), 1) AS missed FROM agents a ORDER BY a.id
SELECT c.status, COUNT(*) FROM calls c GROUP BY c.status ORDER BY NULL
(SELECT id, 'call' AS kind FROM calls ORDER BY id LIMIT 2) UNION ALL (SELECT id, 'agent' FROM agents ORDER BY id LIMIT 2) ORDER BY kind, id
-- writes
INSERT INTO counters (name, value) VALUES ('calls', 5) ON DUPLICATE KEY UPDATE value = GREATEST(value, VALUES(value))
INSERT INTO counters (name, value) SELECT status, COUNT(*) FROM calls GROUP BY status ON DUPLICATE KEY UPDATE value = counters.value + VALUES(value)
INSERT INTO counters (name, value) VALUE ('calls', 1) ON DUPLICATE KEY UPDATE value = value + 1
INSERT IGNORE INTO call_tags SET call_id = 1, tag = 'vip'
UPDATE calls SET status = 'running', agent_id = 1 WHERE status = 'queued' ORDER BY started_at, id LIMIT 1
UPDATE calls c LEFT JOIN call_tags t ON t.call_id = c.id AND t.tag = 'vip' SET c.cost = IF(t.tag IS NULL, c.cost, 0)
UPDATE LOW_PRIORITY IGNORE agents SET salary = ROUND(salary * 1.1, 2) WHERE active = 1
UPDATE calls c, (SELECT MAX(id) AS id FROM calls) m SET c.status = 'last' WHERE c.id = m.id
UPDATE calls SET meta = JSON_REMOVE(JSON_SET(meta, '$.a', 1), '$.path') WHERE JSON_EXISTS(meta, '$.path')
DELETE c FROM call_tags c INNER JOIN transcripts t ON t.call_id = c.call_id WHERE t.lang IS NULL
DELETE FROM call_tags WHERE weight IS NULL ORDER BY call_id, tag LIMIT 1
DELETE QUICK FROM counters WHERE name = 'nothing'
INSERT INTO agents (id, name, active) VALUES (90, 'Zoe', 1), (91, 'Zed', 0) RETURNING id
SELECT COALESCE(SUM(cost),0.00) + 0e0, SUM(seconds)-1 FROM calls
INSERT INTO counters (name, value) VALUES (:name, 1) ON DUPLICATE KEY UPDATE value = value + VALUES(value)
INSERT INTO counters (name, value) VALUES ('x', 1), ('y', 2) ON DUPLICATE KEY UPDATE value = GREATEST(value, VALUES(value))
INSERT IGNORE INTO call_tags (call_id, tag, weight) VALUES (1, 'vip', 1), (2, 'vip', 2)
INSERT INTO counters SET name = 'set', value = 3 ON DUPLICATE KEY UPDATE value = VALUES(value)
INSERT INTO counters (name, value) SELECT status, COUNT(*) FROM calls WHERE status IS NOT NULL GROUP BY status ON DUPLICATE KEY UPDATE value = VALUES(value)
UPDATE calls c JOIN agents a ON a.id = c.agent_id SET c.status = CONCAT(c.status, '-', a.name) WHERE a.active
UPDATE calls c INNER JOIN (SELECT call_id, COUNT(*) AS n FROM call_tags GROUP BY call_id) t ON t.call_id = c.id SET c.seconds = t.n
UPDATE calls c JOIN call_tags t ON t.call_id = c.id SET c.status = 'vip' WHERE t.tag = 'vip'
UPDATE call_tags t JOIN calls c ON c.id = t.call_id SET t.weight = c.seconds WHERE c.status = :state
UPDATE calls SET status = 'taken' WHERE status = :state ORDER BY id LIMIT 1
DELETE FROM call_tags WHERE weight < 3 ORDER BY call_id LIMIT 2
DELETE t FROM call_tags t JOIN calls c ON c.id = t.call_id WHERE c.status = :state
DELETE t FROM call_tags t LEFT JOIN calls c ON c.id = t.call_id AND c.seconds > 10 WHERE c.id IS NULL
UPDATE agents SET salary = IFNULL(salary, 0) + 100, hired = DATE_ADD('2026-01-01', INTERVAL id DAY)
UPDATE calls SET meta = JSON_SET(COALESCE(meta, '{}'), '$.seen', 1) WHERE id = :low
UPDATE calls c RIGHT JOIN agents a ON a.id = c.agent_id AND a.active SET c.status = 'held'
