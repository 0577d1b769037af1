CREATE TEMPORARY TABLE orders (
  id INT, customer INT, product STRING, amount INT, price DECIMAL(10, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.json', 'format' = 'json');
