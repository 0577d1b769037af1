-- uses: orders
SELECT window_start, COUNT(*) AS n, COUNT(amount) AS known, SUM(amount) AS total, AVG(price) AS mean
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '2' MINUTE))
GROUP BY window_start, window_end;
