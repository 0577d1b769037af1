CREATE TEMPORARY TABLE changes (
  id INT, name STRING, qty INT, PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'filesystem', 'path' = '${data}/changes.json', 'format' = 'debezium-json');
