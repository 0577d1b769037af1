-- uses: changes
SELECT name, FIRST_VALUE(qty) AS f, LAST_VALUE(qty) AS l
FROM changes
GROUP BY name;
