-- uses: orders shipments
SELECT o.id, s.id AS sid, s.carrier
FROM orders o FULL JOIN shipments s ON o.id = s.id AND s.ts >= o.ts - INTERVAL '1' MINUTE AND s.ts < o.ts + INTERVAL '3' MINUTE;
