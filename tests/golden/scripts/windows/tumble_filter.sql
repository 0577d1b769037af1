-- uses: bids
SELECT window_start, COUNT(*) FILTER (WHERE price > 200) AS dear, SUM(price) FILTER (WHERE channel = 'web') AS web
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
