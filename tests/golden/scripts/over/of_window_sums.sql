-- uses: orders
SELECT window_start, SUM(total) OVER (ORDER BY window_time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS both_windows
FROM (SELECT window_start, window_time, SUM(price) AS total FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTES))
  GROUP BY window_start, window_end, window_time);
