-- uses: bids
SELECT id, CAST(ts AS DATE) AS d, CAST(ts AS TIME) AS t, FLOOR(ts TO HOUR) AS h, EXTRACT(MINUTE FROM ts) AS m, DATE_FORMAT(ts, 'HH:mm:ss') AS f
FROM bids WHERE id < 8;
