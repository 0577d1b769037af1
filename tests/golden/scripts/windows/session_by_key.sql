-- uses: bids
SELECT window_start, window_end, auction, COUNT(*) AS n, SUM(price) AS total
FROM TABLE(SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY window_start, window_end, auction;
