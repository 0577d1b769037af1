-- uses: bids
SELECT window_start, COUNT(*) AS n
FROM TABLE(TUMBLE(DATA => TABLE bids, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '2' MINUTE))
GROUP BY window_start, window_end;
