-- uses: orders
SELECT customer, SUM(CASE WHEN amount > 1 THEN amount ELSE 0 END) AS big, COUNT(CASE WHEN product = 'tea' THEN 1 END) AS teas
FROM orders
GROUP BY customer;
