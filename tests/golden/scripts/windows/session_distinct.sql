-- uses: bids
SELECT window_start, auction, COUNT(DISTINCT channel) AS n
FROM TABLE(SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, auction;
