-- uses: orders shipments
SELECT o.id, s.carrier, o.ts AS ots, s.ts AS sts
FROM orders o, shipments s
WHERE o.id = s.id AND s.ts BETWEEN o.ts - INTERVAL '2' MINUTE AND o.ts + INTERVAL '5' MINUTE;
