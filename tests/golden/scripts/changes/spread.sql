-- uses: changes
SELECT name, STDDEV_POP(CAST(qty AS DOUBLE)) AS s, COLLECT(qty) AS c
FROM changes
GROUP BY name;
