-- uses: customers orders
SELECT id FROM customers WHERE id = 2 OR id IN (SELECT customer FROM orders WHERE customer IS NOT NULL);
