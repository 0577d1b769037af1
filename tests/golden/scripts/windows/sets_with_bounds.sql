-- uses: bids
SELECT window_start, window_end, auction, COUNT(*) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY GROUPING SETS ((window_start, window_end, auction), (window_start, window_end));
