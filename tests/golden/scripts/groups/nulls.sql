-- uses: orders
SELECT customer, COUNT(*) AS n, COUNT(amount) AS known, SUM(amount) AS total, AVG(amount) AS mean, MAX(price) AS top
FROM orders
GROUP BY customer;
