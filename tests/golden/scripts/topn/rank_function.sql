-- uses: orders
SELECT * FROM (SELECT customer, amount, RANK() OVER (PARTITION BY customer ORDER BY amount DESC) AS r FROM orders) WHERE r <= 2;
