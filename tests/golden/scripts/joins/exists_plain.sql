-- uses: customers orders
SELECT id FROM customers WHERE EXISTS (SELECT 1 FROM orders WHERE amount > 3);
