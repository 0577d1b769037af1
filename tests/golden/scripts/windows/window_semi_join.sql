-- uses: orders shipments
SELECT l.id, l.window_start
FROM (SELECT *
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' MINUTE))) l
WHERE l.id IN (SELECT r.id
FROM (SELECT *
FROM TABLE(TUMBLE(TABLE shipments, DESCRIPTOR(ts), INTERVAL '5' MINUTE))) r WHERE l.window_start = r.window_start AND l.window_end = r.window_end);
