-- uses: orders customers
SELECT c.city, COUNT(*) AS n, SUM(o.price) AS total
FROM orders o LEFT JOIN customers c ON o.customer = c.id
GROUP BY c.city;
