-- uses: bids
SELECT id, window_start, window_end FROM TABLE(SESSION(TABLE bids PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '5' SECOND)) WHERE price > 100;
