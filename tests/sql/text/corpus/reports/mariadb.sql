SELECT id, status FROM calls WHERE (status, seconds) IN (('missed', 37), ('queued', 74)) ORDER BY id
SELECT a.name, GREATEST(a.salary, 2000) AS g, LEAST(a.salary, 2000) AS l FROM agents a ORDER BY a.id
WITH RECURSIVE chain AS (SELECT id, name, manager_id, 1 AS lvl, CAST(name AS CHAR(200)) AS path FROM agents WHERE manager_id IS NULL UNION ALL SELECT a.id, a.name, a.manager_id, c.lvl + 1, CONCAT(c.path, '/', a.name) FROM agents a JOIN chain c ON c.id = a.manager_id) SELECT name, lvl, path FROM chain ORDER BY path
SELECT DATE_FORMAT(started_at, '%Y-%m-%d') AS day, COUNT(*) AS n, GROUP_CONCAT(id ORDER BY id SEPARATOR '|') AS ids FROM calls GROUP BY day ORDER BY day
SELECT DATE(started_at) AS d, HOUR(started_at) AS h, IF(seconds > 50, 'l', 's') AS k, IFNULL(agent_id, 0) AS a FROM calls ORDER BY id
SELECT id FROM calls WHERE started_at BETWEEN '2026-01-30' AND '2026-01-30' + INTERVAL 2 DAY AND TIMESTAMPDIFF(HOUR, '2026-01-30', started_at) > 5 ORDER BY id
SELECT status, COUNT(*) AS n FROM calls GROUP BY status WITH ROLLUP
SELECT SQL_CALC_FOUND_ROWS id FROM calls ORDER BY id LIMIT 2
SELECT JSON_EXTRACT(meta, '$.source') AS s, JSON_VALUE(meta, '$.score') AS v, JSON_LENGTH(meta, '$.path') AS l FROM calls WHERE JSON_VALUE(meta, '$.source') = 'web' ORDER BY id
SELECT c.id, j.step FROM calls c, JSON_TABLE(c.meta, '$.path[*]' COLUMNS (n FOR ORDINALITY, step VARCHAR(20) PATH '$')) AS j WHERE j.n = 1 ORDER BY c.id
INSERT IGNORE INTO counters (company_id, name, value) VALUES ('acme', 'calls', 1), ('acme', 'x', 2)
INSERT INTO counters (company_id, name, value) VALUES ('acme', 'calls', 5) ON DUPLICATE KEY UPDATE value = value + VALUES(value)
INSERT INTO invoices SET id = 62, month = '2026-11-01', total = 5, paid = 0
UPDATE calls JOIN agents ON agents.id = calls.agent_id SET calls.status = CONCAT(calls.status, '!'), calls.cost = 0 WHERE agents.name = 'Bob'
UPDATE calls SET status = 'old' WHERE started_at < '2026-02-01' ORDER BY started_at LIMIT 2
DELETE t FROM call_tags t JOIN calls c ON c.id = t.call_id WHERE c.status = 'missed'
DELETE FROM transcripts ORDER BY id LIMIT 1
DELETE FROM call_tags WHERE call_id = 3 RETURNING tag
INSERT INTO calls (id, status) VALUES (75, 'z') RETURNING id, status
SELECT `c`.`id`, `c`.`status` AS `state` FROM `calls` AS `c` WHERE `c`.`status` != 'x' AND `c`.`seconds` <=> NULL ORDER BY `c`.`id`
SELECT id FROM calls USE INDEX (PRIMARY) WHERE id IN (1, 2, 3) ORDER BY id FOR UPDATE
SELECT name, STR_TO_DATE('2026-01-01', '%Y-%m-%d') AS d, LPAD(id, 4, '0') AS p, FIND_IN_SET('de', 'en,de') AS f, FIELD(name, 'Bob', 'Ann') AS o, ELT(2, 'a', 'b') AS e, MD5(name) AS h, UNIX_TIMESTAMP('2026-01-01') > 0 AS u FROM agents ORDER BY FIELD(name, 'Bob', 'Ann'), name
SELECT LAST_DAY(month) AS eom, MONTHNAME(month) AS mn, WEEK(month) AS w, DATEDIFF(month, '2026-01-01') AS dd FROM invoices ORDER BY id
SELECT STRAIGHT_JOIN c.id FROM agents a JOIN calls c ON c.agent_id = a.id ORDER BY c.id
SELECT a.name FROM agents a WHERE a.id IN (SELECT agent_id FROM calls) AND a.name RLIKE '^[AB]' ORDER BY a.name
(SELECT id, 'c' AS t FROM calls ORDER BY id LIMIT 2) UNION ALL (SELECT id, 'a' FROM agents ORDER BY id LIMIT 2) ORDER BY t, id LIMIT 3
