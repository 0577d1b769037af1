-- uses: bids
SELECT id, auction, window_start, window_end
FROM TABLE(SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '20' SECOND));
