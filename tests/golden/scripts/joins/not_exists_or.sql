-- uses: customers orders
SELECT c.id FROM customers c WHERE c.id = 2 OR NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id);
