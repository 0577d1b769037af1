-- uses: bids
SELECT auction, window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '5' SECOND)) WHERE price > 100 GROUP BY auction, window_start, window_end;
