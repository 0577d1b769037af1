-- uses: bids
SELECT window_start, auction, COUNT(*) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
WHERE window_start >= TIMESTAMP '2024-03-01 10:00:10' GROUP BY window_start, window_end, auction;
