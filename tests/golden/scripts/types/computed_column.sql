CREATE TEMPORARY TABLE c (id INT, auction INT, bidder INT, price INT, channel STRING, ts TIMESTAMP(3), double_price AS price * 2, day_of AS CAST(ts AS DATE)) WITH ('connector' = 'filesystem', 'path' = '${data}/bids.csv', 'format' = 'csv');
SELECT id, double_price, day_of
FROM c
WHERE id < 6;
