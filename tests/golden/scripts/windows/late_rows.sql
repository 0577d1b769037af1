-- uses: bids
CREATE TEMPORARY TABLE strict_bids (id INT, auction INT, bidder INT, price INT, channel STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${data}/bids.csv', 'format' = 'csv');
SELECT window_start, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE strict_bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end;
