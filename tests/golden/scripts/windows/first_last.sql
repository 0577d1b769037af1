-- uses: bids
SELECT window_start, auction, FIRST_VALUE(id) AS f, LAST_VALUE(id) AS l
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY window_start, window_end, auction;
