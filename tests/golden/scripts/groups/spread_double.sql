-- uses: bids
SELECT auction, STDDEV_SAMP(CAST(price AS DOUBLE)) AS ss, VAR_SAMP(CAST(price AS DOUBLE)) AS vs, VARIANCE(CAST(price AS DOUBLE)) AS v
FROM bids
GROUP BY auction;
