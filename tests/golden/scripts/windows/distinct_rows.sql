-- uses: bids
SELECT DISTINCT window_start, window_end, auction FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
