-- uses: orders
SELECT customer, total FROM (SELECT customer, SUM(amount) AS total, ROW_NUMBER() OVER (ORDER BY SUM(amount) DESC, customer) AS r
  FROM orders WHERE customer IS NOT NULL GROUP BY customer) WHERE r <= 2;
