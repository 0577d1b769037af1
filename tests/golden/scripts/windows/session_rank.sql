-- uses: bids
SELECT * FROM (SELECT auction, window_start, window_end, SUM(price) AS s,
  ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY SUM(price) DESC, auction) AS r
  FROM SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '5' SECONDS) GROUP BY auction, window_start, window_end) WHERE r = 1;
