-- uses: bids
SELECT window_start, auction, channel, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY window_start, window_end, GROUPING SETS ((auction), (channel), ());
