-- uses: bids
SELECT window_start, window_end, COUNT(*) FROM SESSION(TABLE bids, DESCRIPTOR(ts), INTERVAL '3' SECONDS) GROUP BY window_start, window_end;
