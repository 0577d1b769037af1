-- uses: orders
SELECT customer, FIRST_VALUE(product) AS f, LAST_VALUE(product) AS l
FROM orders
GROUP BY customer;
