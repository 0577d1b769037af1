-- uses: bids
SELECT channel, SUM(CAST(price AS TINYINT)) AS t, SUM(CAST(price AS SMALLINT)) AS s, SUM(CAST(price AS FLOAT)) AS f
FROM bids
GROUP BY channel;
