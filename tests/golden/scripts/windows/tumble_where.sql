-- uses: bids
SELECT window_start, SUM(price) AS total
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE price > 100
GROUP BY window_start, window_end;
