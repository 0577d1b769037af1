-- uses: bids
SELECT window_start, COUNT(DISTINCT bidder) AS bidders, COUNT(DISTINCT channel) AS channels
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' MINUTE))
GROUP BY window_start, window_end;
