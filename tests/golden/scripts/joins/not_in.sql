-- uses: orders customers
SELECT id
FROM orders
WHERE customer NOT IN (SELECT id FROM customers WHERE id IS NOT NULL AND score > 5);
