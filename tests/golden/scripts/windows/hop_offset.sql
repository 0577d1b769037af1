-- uses: bids
SELECT window_start, MAX(price) AS top
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE, INTERVAL '5' SECOND))
GROUP BY window_start, window_end;
