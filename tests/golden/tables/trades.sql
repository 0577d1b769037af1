CREATE TEMPORARY TABLE trades (
  id INT, currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = '${data}/trades.csv', 'format' = 'csv');
