-- uses: bids
SELECT window_start, UPPER(channel) AS channel, price / 100 AS class, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY window_start, window_end, UPPER(channel), price / 100;
