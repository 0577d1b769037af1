-- uses: orders customers
SELECT id, amount - (SELECT MIN(score) FROM customers) AS d
FROM orders;
