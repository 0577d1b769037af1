-- uses: orders
SELECT product, SUM(price) AS total, AVG(price) AS mean, SUM(price * amount) AS value_sum
FROM orders
GROUP BY product;
