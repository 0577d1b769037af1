-- uses: orders shipments
SELECT id, product FROM orders o WHERE NOT EXISTS (SELECT 1 FROM shipments s WHERE s.id = o.id AND s.carrier = 'A' AND s.ts > o.ts);
