CREATE TEMPORARY TABLE shipments (
  id INT, carrier STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = '${data}/shipments.json', 'format' = 'json');
