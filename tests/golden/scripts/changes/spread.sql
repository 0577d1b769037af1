-- uses: changes
SELECT name, STDDEV_POP(CAST(qty AS DOUBLE)) AS s
FROM changes
GROUP BY name;
