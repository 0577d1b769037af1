-- uses: orders shipments
SELECT o.id, s.id AS s, s.carrier FROM orders o RIGHT JOIN shipments s ON o.id = s.id AND o.ts >= s.ts - INTERVAL '1' MINUTE AND o.ts < s.ts;
