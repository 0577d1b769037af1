-- uses: orders customers
SELECT id
FROM orders
WHERE customer IN (SELECT id FROM customers WHERE score > 5);
