-- uses: orders shipments
SELECT o.id, s.carrier
FROM orders o LEFT JOIN shipments s ON o.id = s.id AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' MINUTE;
