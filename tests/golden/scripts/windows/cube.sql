-- uses: bids
SELECT window_start, auction, channel, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end, CUBE (auction, channel);
