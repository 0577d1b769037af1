-- uses: orders customers
SELECT c.name, (SELECT COUNT(*) FROM orders o WHERE o.customer = c.id) AS n
FROM customers c;
