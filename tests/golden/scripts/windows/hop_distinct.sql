-- uses: bids
SELECT window_start, COUNT(DISTINCT bidder) AS n
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
GROUP BY window_start, window_end;
