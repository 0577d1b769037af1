SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE TEMPORARY TABLE z (id INT, auction INT, bidder INT, price INT, channel STRING, ts TIMESTAMP(3), lz AS TO_TIMESTAMP_LTZ(1711580400000 + id * 7200000, 3), WATERMARK FOR lz AS lz) WITH ('connector' = 'filesystem', 'path' = '${data}/bids.csv', 'format' = 'csv');
SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE z, DESCRIPTOR(lz), INTERVAL '1' DAY))
GROUP BY window_start, window_end;
