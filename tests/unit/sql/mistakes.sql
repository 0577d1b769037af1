SELCT a FROM t
;;
SELECT a, FROM t
;;
SELECT FROM t
;;
SELECT a b c FROM t
;;
SELECT a FROM t WHER a = 1
;;
SELECT a FROM t WHERE
;;
SELECT a FROM t GROUP BY a WHERE a > 1
;;
SELECT a FROM t ORDER a
;;
SELECT TOP 10 a FROM t
;;
FROM t SELECT a
;;
SELECT "a" FROM t
;;
SELECT 'a FROM t
;;
SELECT `a FROM t
;;
SELECT a /* FROM t
;;
SELECT a FROM t WHERE a == 1
;;
SELECT a FROM t WHERE a = 1 && b = 2
;;
SELECT a::INT FROM t
;;
SELECT CASE WHEN a > 1 'x' END FROM t
;;
SELECT CASE a WHEN 1 THEN 'x' FROM t
;;
SELECT CASE END FROM t
;;
SELECT a FROM t WHERE name ILIKE 'x%'
;;
SELECT a FROM t WHERE a IN ()
;;
SELECT a FROM t WHERE a BETWEEN 1, 2
;;
SELECT a FROM t WHERE a IS 1
;;
SELECT CAST(a, INT) FROM t
;;
SELECT CAST(a AS INTEGR) FROM t
;;
SELECT CAST(a AS TEXT) FROM t
;;
SELECT INTERVAL 5 MINUTE
;;
SELECT INTERVAL '5' FORTNIGHTS
;;
SELECT INTERVAL '600' SECOND
;;
SELECT DATE '2026-13-01'
;;
SELECT ts AT TIME ZONE 'UTC' FROM t
;;
SELECT c FROM t
;;
SELECT A FROM t
;;
SELECT nam FROM t
;;
SELECT x.a FROM t
;;
SELECT a FROM tt
;;
SELECT a FROM t AS x, t AS x
;;
SELECT a + 'x' FROM t
;;
SELECT name.first FROM t
;;
SELECT NOFUNC(a) FROM t
;;
SELECT UPER(name) FROM t
;;
SELECT UPPER(a, name) FROM t
;;
SELECT a FROM t WHERE a
;;
SELECT a FROM t WHERE COUNT(*) > 1
;;
SELECT a, COUNT(*) FROM t
;;
SELECT name, COUNT(*) FROM t GROUP BY a
;;
SELECT a AS k, COUNT(*) FROM t GROUP BY k
;;
SELECT a, COUNT(*) FROM t GROUP BY 1
;;
SELECT SUM(COUNT(*)) FROM t GROUP BY a
;;
SELECT a FROM t HAVING a > 1
;;
SELECT UPPER(DISTINCT name) FROM t
;;
SELECT ROW_NUMBER() FROM t
;;
SELECT * FROM (SELECT *, RANK() OVER (PARTITION BY a ORDER BY b) AS r FROM t) WHERE r <= 3
;;
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY a) AS r FROM t) WHERE r <= 3
;;
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start
;;
SELECT COUNT(*) FROM TABLE(TUMBLE(t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end
;;
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, ts, INTERVAL '1' HOUR)) GROUP BY window_start, window_end
;;
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(a), INTERVAL '1' HOUR)) GROUP BY window_start, window_end
;;
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts))) GROUP BY window_start, window_end
;;
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), 60)) GROUP BY window_start, window_end
;;
SELECT COUNT(*) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end
;;
SELECT COUNT(*) FROM TABLE(TUMBEL(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end
;;
SELECT TUMBLE_START(ts, INTERVAL '1' HOUR), COUNT(*) FROM t GROUP BY a
;;
SELECT a FROM t UNION ALL SELECT a, b FROM t
;;
SELECT a FROM t UNION ALL SELECT ts FROM t
;;
VALUES (1, 2), (3)
;;
SELECT t.a FROM t JOIN t AS u
;;
CREATE TABLE s (a INT) WITH ('connector' = 'filesystm', 'path' = 'x', 'format' = 'json')
; SELECT * FROM s
;;
CREATE TABLE s (a INT) WITH ('connector' = 'filesystem', 'pth' = 'x', 'format' = 'json')
; SELECT * FROM s
;;
CREATE TABLE s (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'jsn')
; SELECT * FROM s
;;
CREATE TABLE s (a INT) WITH ('connector' = 'filesystem', 'format' = 'json')
; SELECT * FROM s
;;
CREATE TABLE s (a INT) WITH (connector = 'filesystem')
;;
CREATE TABLE s (a INT,) WITH ('connector' = 'print')
;;
CREATE TABLE s (a INT PRIMARY KEY) WITH ('connector' = 'print')
;;
CREATE TABLE s (a INT DEFAULT 1) WITH ('connector' = 'print')
;;
CREATE TABLE s (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json')
; SELECT * FROM s
;;
CREATE TABLE s (a INT) WITH ('connector' = 'print'); SELECT * FROM s
;;
CREATE TABLE s (a INT) WITH ('connector' = 'print'); INSERT INTO s SELECT b FROM t
;;
CREATE TABLE s (a INT) WITH ('connector' = 'print'); INSERT INTO s SELECT a, b FROM t
;;
CREATE TABLE s (a INT) WITH ('connector' = 'print'); INSERT INTO s (x) SELECT a FROM t
;;
INSERT INTO nowhere SELECT a FROM t
;;
UPDATE t SET a = 1
;;
SET 'table.local-timezone' = 'UTC'
;;
SET 'table.local-time-zone' = 'Mars/Olympus'
;;
SET 'no.such.option' = '1'
;;
CREATE CATALOG c WITH ('type' = 'hive')
;;
SELECT a FROM t; SELECT
