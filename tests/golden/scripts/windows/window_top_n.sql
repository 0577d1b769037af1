-- uses: bids
SELECT *
FROM (SELECT window_start, window_end, auction, total, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY total DESC) AS place
FROM (SELECT window_start, window_end, auction, SUM(price) AS total
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end, auction))
WHERE place <= 2;
