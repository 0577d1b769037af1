-- uses: bids
SELECT window_start, window_end, auction, MAX(price) AS top
FROM TABLE(CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '6' MINUTE))
GROUP BY window_start, window_end, auction;
