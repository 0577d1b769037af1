-- uses: bids
SELECT window_start, auction, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' MINUTE))
GROUP BY window_start, window_end, auction
HAVING COUNT(*) > 3;
