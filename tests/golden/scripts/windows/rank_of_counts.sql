-- uses: bids
SELECT window_start, auction, n FROM (
  SELECT window_start, window_end, auction, COUNT(*) AS n,
    ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY COUNT(*) DESC, auction) AS r
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, auction)
WHERE r <= 2;
