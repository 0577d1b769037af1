-- uses: bids
CREATE TEMPORARY VIEW small AS SELECT window_time AS rowtime, auction, SUM(price) AS total FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time, auction;
SELECT window_start, window_end, MAX(total) AS best
FROM TABLE(TUMBLE(TABLE small, DESCRIPTOR(rowtime), INTERVAL '3' MINUTE))
GROUP BY window_start, window_end;
