-- uses: orders shipments
SELECT id, carrier, product FROM (SELECT id, product FROM orders) o FULL JOIN (SELECT id, carrier FROM shipments) s USING (id);
