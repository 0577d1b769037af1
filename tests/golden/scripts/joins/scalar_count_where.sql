-- uses: customers orders
SELECT c.id FROM customers c WHERE (SELECT COUNT(*) FROM orders WHERE customer = c.id) = 0;
