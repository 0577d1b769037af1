-- uses: orders
SELECT id, price
FROM orders
WHERE price BETWEEN 1 AND 20;
