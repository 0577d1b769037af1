-- uses: orders
SELECT id, SUM(price) OVER w AS total, AVG(price) OVER w AS mean, SUM(price * amount) OVER w AS worth
FROM orders WINDOW w AS (PARTITION BY customer ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);
