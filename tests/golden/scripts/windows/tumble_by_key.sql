-- uses: bids
SELECT window_start, window_end, auction, MAX(price) AS top, MIN(price) AS low
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, auction;
