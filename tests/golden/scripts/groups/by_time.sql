-- uses: bids
SELECT DATE_FORMAT(ts, 'HH:mm') AS minute_of, COUNT(*) AS n
FROM bids
GROUP BY DATE_FORMAT(ts, 'HH:mm');
