-- uses: orders customers
SELECT c.name, t.n
FROM customers c LEFT JOIN (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer) t ON t.customer = c.id;
