-- uses: bids
SELECT window_start, auction, channel, SUM(price) AS total
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY window_start, window_end, ROLLUP (auction, channel);
