-- uses: bids
SELECT window_start, AVG(price) AS mean, AVG(CAST(price AS DOUBLE)) AS exact
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
