CREATE TEMPORARY TABLE customers (
  id INT, name STRING, city STRING, score INT
) WITH ('connector' = 'filesystem', 'path' = '${data}/customers.json', 'format' = 'json');
