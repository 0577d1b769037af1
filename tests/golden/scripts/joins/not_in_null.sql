-- uses: orders customers
SELECT id
FROM orders
WHERE customer NOT IN (SELECT id FROM customers);
