-- uses: orders shipments
SELECT o.id, s.carrier FROM orders o JOIN shipments s ON o.id = s.id AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '1' MINUTE AND o.amount > 0 AND s.carrier <> 'A';
