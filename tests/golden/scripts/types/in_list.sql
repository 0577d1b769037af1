-- uses: orders
SELECT id
FROM orders
WHERE product IN ('tea', 'milk') AND amount NOT IN (1, 2);
