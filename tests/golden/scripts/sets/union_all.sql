-- uses: orders
SELECT customer
FROM orders
WHERE id < 5
UNION ALL SELECT amount
FROM orders
WHERE id < 5;
