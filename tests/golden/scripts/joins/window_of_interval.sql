-- uses: orders shipments
CREATE TEMPORARY VIEW paired AS SELECT o.id, o.ts, s.carrier FROM orders o JOIN shipments s ON o.id = s.id AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '1' MINUTE;
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE paired, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
