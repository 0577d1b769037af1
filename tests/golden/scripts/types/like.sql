-- uses: orders
SELECT id, product
FROM orders
WHERE product LIKE '%e%' AND product NOT LIKE 't%';
