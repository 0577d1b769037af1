-- uses: orders customers
SELECT o.id, c.name
FROM orders o RIGHT JOIN customers c ON o.customer = c.id;
