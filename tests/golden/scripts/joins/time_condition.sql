-- uses: orders shipments
SELECT o.id, s.carrier FROM orders o LEFT JOIN shipments s ON o.id = s.id AND s.ts > o.ts + INTERVAL '10' SECONDS;
