-- uses: orders shipments
SELECT l.id, r.carrier, l.window_start
FROM (SELECT *
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' MINUTE))) l JOIN (SELECT *
FROM TABLE(TUMBLE(TABLE shipments, DESCRIPTOR(ts), INTERVAL '5' MINUTE))) r ON l.id = r.id AND l.window_start = r.window_start AND l.window_end = r.window_end;
