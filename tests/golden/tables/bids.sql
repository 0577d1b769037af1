CREATE TEMPORARY TABLE bids (
  id INT, auction INT, bidder INT, price INT, channel STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${data}/bids.csv', 'format' = 'csv');
