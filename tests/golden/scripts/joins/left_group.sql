-- uses: orders customers
SELECT o.product, COUNT(c.id) AS known, COUNT(*) AS n
FROM orders o LEFT JOIN customers c ON o.customer = c.id
GROUP BY o.product;
