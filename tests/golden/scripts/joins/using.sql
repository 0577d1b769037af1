-- uses: orders shipments
SELECT id, o.product, s.carrier
FROM orders o JOIN shipments s USING (id);
